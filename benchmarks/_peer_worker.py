"""Run one peer's method on a list of arrays; executed by the peers' own interpreter.

Called by ``_peers.py`` as ``PYTHON _peer_worker.py METHOD IN.npz OUT.npz``. Imports nothing of ours
and exits with ``ABSENT`` where the peer is not installed in the version that is compared.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np

ABSENT = 3
REQUIRED = {"calab": "0.3.0", "oasis-deconv": None}


def calab_l1(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Deconvolve with the documented function of calab 0.3.0."""
    calab = import_module("calab")
    given = (options["fs"], options["tau_rise"], options["tau_decay"], options["lam"])
    return {"activity": calab.run_deconvolution(trace, *given)}


def calab_spikes(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Infer spikes of one trace with calab 0.3.0; what else is given goes to it by keyword."""
    calab = import_module("calab")
    positional = [options[name] for name in ("tau_rise", "tau_decay", "fs")]
    known = {"upsample_factor", "hp_enabled", "lp_enabled", "noise_constrained"}
    given = {name: value for name, value in options.items() if name in known}
    found = calab.solve_trace(trace, *positional, **given)
    scalars = {name: getattr(found, name) for name in ("alpha", "baseline", "pve")}
    return {"activity": found.s_counts, **scalars}


def calab_fit(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Give the fit behind the spikes of one trace, made from calab 0.3.0's own solver."""
    found: dict[str, Any] = _beside("_predecessor_trace").fitted(trace, options)
    return found


def calab_cadecon(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Run the automatic pipeline assembled from calab 0.3.0 on an array of cells x frames."""
    found: dict[str, Any] = _beside("_predecessor_pipeline").cadecon(trace, options)
    return found


def _beside(module: str) -> Any:
    """Import a module of this folder."""
    # Last, so that nothing here hides an installed package; isolated mode leaves this folder out.
    sys.path.append(str(Path(__file__).parent))
    return import_module(module)


def oasis_ar1(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Solve the L1 problem of first order at a given weight."""
    oasis = import_module("oasis.functions")
    return {"activity": oasis.oasisAR1(trace, options["g"], options.get("lam", 0.0))[1]}


def oasis_ar2(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Solve the L1 problem of second order approximately."""
    oasis = import_module("oasis.functions")
    return {"activity": oasis.oasisAR2(trace, *options["g"], options["lam"])[1]}


def oasis_onnls(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Solve the L1 problem of second order at a given weight by windowed active sets."""
    oasis = import_module("oasis.functions")
    return {"activity": oasis.onnls(trace, options["g"], options["lam"])[1]}


def oasis_constrained(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Minimise the activity at a given residual, without a baseline; second order."""
    oasis = import_module("oasis.functions")
    found = oasis.constrained_onnlsAR2(trace, options["g"], options["sn"], optimize_b=False)
    return {"activity": found[1], "lam": found[4]}


def oasis_automatic(trace: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Let OASIS find baseline, noise and weight; first order where ``tau_rise`` is 0."""
    oasis = import_module("oasis.functions")
    found = oasis.deconvolve(
        trace, tau_d=options["tau_decay"], tau_r=options["tau_rise"], framerate=options["fs"]
    )
    return {"activity": found[1], "baseline": found[2]}


Method = Callable[[Any, dict[str, Any]], dict[str, Any]]
METHODS: dict[str, tuple[str, Method]] = {
    "calab_l1": ("calab", calab_l1),
    "calab_spikes": ("calab", calab_spikes),
    "calab_fit": ("calab", calab_fit),
    "calab_cadecon": ("calab", calab_cadecon),
    "oasis_ar1": ("oasis-deconv", oasis_ar1),
    "oasis_ar2": ("oasis-deconv", oasis_ar2),
    "oasis_onnls": ("oasis-deconv", oasis_onnls),
    "oasis_constrained": ("oasis-deconv", oasis_constrained),
    "oasis_automatic": ("oasis-deconv", oasis_automatic),
}


def present(distribution: str) -> bool:
    """Tell whether the peer is installed in the version that is compared."""
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return REQUIRED[distribution] in (None, version)


def main(method: str, source: str, target: str) -> int:
    """Warm up on the shortest array, then time each of them."""
    distribution, function = METHODS[method]
    if not present(distribution):
        return ABSENT
    with np.load(source) as stored:
        options = json.loads(str(stored["options"]))
        traces = [stored[f"trace_{i}"] for i in range(len(options))]
    shortest = min(range(len(traces)), key=lambda i: traces[i].size)
    function(traces[shortest], options[shortest])
    results: dict[str, Any] = {}
    for i, (trace, given) in enumerate(zip(traces, options, strict=True)):
        start, cpu = time.perf_counter(), time.process_time()
        found = function(trace, given)
        results[f"cpu_{i}"] = time.process_time() - cpu
        results[f"seconds_{i}"] = time.perf_counter() - start
        results |= {f"{name}_{i}": value for name, value in found.items()}
    np.savez(target, **results)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Which package each name of the façade comes from."""

from __future__ import annotations

__all__ = ["HOME"]

_NAMES = {
    "calab.plots": """
        plot_convergence plot_kernel plot_quality plot_raster plot_trace
    """,
    "calab.batch": "BatchSettings run_batch",
    "calab.report": "write_report",
    "calab_core": """
        BiexpFitResult CaDeconDetails CaDeconResult CadeconSettings DeconConfig DeconvolutionDetails
        DeconvolutionResult Quality SolveTraceDetails SolveTraceResult
        bandpass_filter build_kernel compute_lipschitz compute_upsample_factor dff estimate_kernel
        fit_biexponential noise_level quality run_cadecon run_deconvolution run_deconvolution_full
        solve_trace tau_to_ar2
    """,
    "calab_io": """
        FORMATS CalabFormatError LazyTraces MissingKeyError PynappleData Recording
        deconvolve_from_export load load_caiman load_export_params load_minian load_tuning_data read
        read_csv read_npy read_traces save save_for_tuning
        to_minian to_nwb to_pynapple to_suite2p to_xarray
    """,
    "calab_sim": """
        CellGroundTruth DriftModel KernelConfig MarkovConfig NoiseConfig PhotobleachingConfig
        PoissonConfig RandomWalkDrift SaturationConfig SimulationConfig SimulationResult
        SinusoidalDrift SpikeModel presets simulate
    """,
}

HOME: dict[str, str] = {name: home for home, names in _NAMES.items() for name in names.split()}

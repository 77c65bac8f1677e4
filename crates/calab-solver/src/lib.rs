//! Numerical core of `CaLab`: from calcium-imaging traces to neural activity.
//!
//! One noun, one file: each module opens with what it computes and its formula. Nothing here
//! knows Python except the folder `python`, which the feature of that name gates.
//!
//! ```
//! use calab_solver::kernel::build_kernel;
//!
//! let kernel = build_kernel(0.02, 0.4, 30.0)?;
//! assert_eq!((kernel[0], kernel[2]), (0.0, 1.0));
//! # Ok::<(), calab_solver::error::SolverError>(())
//! ```

pub mod ar2;
pub mod baseline;
pub mod batch;
pub mod biexponential;
pub mod certificate;
pub mod chain;
pub mod deconvolve;
mod dot;
mod draws;
pub mod error;
pub mod exact;
pub mod filter;
pub mod fista;
pub mod free_kernel;
pub mod interior;
pub mod kernel;
pub mod noise;
#[cfg(feature = "python")]
mod python;
mod ranks;
pub mod segments;
pub mod simulate;
mod spectrum;
pub mod spikes;

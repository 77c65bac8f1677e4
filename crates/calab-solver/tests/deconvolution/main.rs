//! The deconvolution held against dense linear algebra, against itself and against its claims.

mod answers;
mod auto;
mod batches;
mod certificate;
mod data;
mod dense;
mod exact;
mod fista;
mod hard;
mod windows;

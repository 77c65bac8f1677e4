//! Jobs over threads, with a monitor that can stop them; the only file that starts threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::SolverError;

/// How often the monitor is asked at least, while jobs run.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// Runs `jobs` on `n_threads` threads and waits for them.
///
/// Each thread makes one worker and takes the next job when it has done one; a job returns how much
/// it adds to the progress. The calling thread asks `monitor`, with the progress so far, at least every
/// 50 ms and when all jobs are done; once it answers `false` the flag that jobs are given is set and no
/// further job starts. What a job computes must not depend on the worker, so that the number of
/// threads changes nothing.
///
/// # Errors
///
/// The first error of a job or of making a worker; [`SolverError::Interrupted`] when the monitor
/// stopped the jobs.
pub fn run<J: Send, W>(
    jobs: impl Iterator<Item = J> + Send,
    n_threads: usize,
    worker: impl Fn() -> Result<W, SolverError> + Sync,
    work: impl Fn(&mut W, J, &AtomicBool) -> Result<usize, SolverError> + Sync,
    monitor: &mut dyn FnMut(usize) -> bool,
) -> Result<(), SolverError> {
    let jobs = Mutex::new(jobs);
    let (stop, progress) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (running, changed) = (Mutex::new(n_threads.max(1)), Condvar::new());
    let failure = Mutex::new(None);
    let next = || {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        lock(&jobs).next()
    };
    let labour = || -> Result<(), SolverError> {
        let mut worker = worker()?;
        while let Some(job) = next() {
            progress.fetch_add(work(&mut worker, job, &stop)?, Ordering::Relaxed);
            changed.notify_all();
        }
        Ok(())
    };
    thread::scope(|scope| {
        for _ in 0..n_threads.max(1) {
            scope.spawn(|| {
                let _leaving = Leaving { running: &running, changed: &changed };
                if let Err(error) = labour() {
                    stop.store(true, Ordering::Relaxed);
                    lock(&failure).get_or_insert(error);
                }
            });
        }
        loop {
            let count = lock(&running);
            let count = if *count == 0 {
                count
            } else {
                changed.wait_timeout(count, HEARTBEAT).unwrap_or_else(PoisonError::into_inner).0
            };
            let left = *count;
            drop(count);
            // Asked without the lock, and once more when all is done.
            if !monitor(progress.load(Ordering::Relaxed)) {
                stop.store(true, Ordering::Relaxed);
                if left > 0 {
                    lock(&failure).get_or_insert(SolverError::Interrupted);
                }
            }
            if left == 0 {
                break;
            }
        }
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), Err)
}

/// As many threads as asked for, or as the process may use, but no more than there are jobs.
#[must_use]
pub fn threads(asked: Option<usize>, jobs: usize) -> usize {
    let available = || thread::available_parallelism().map_or(1, usize::from);
    asked.unwrap_or_else(available).clamp(1, jobs.max(1))
}

/// Runs two jobs, side by side where there are two threads.
pub fn pair<A: Send, B: Send>(
    n_threads: usize,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    if n_threads < 2 {
        return (one(), other());
    }
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        (one, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Counts a thread out even when it panics, so that nobody waits for it.
struct Leaving<'a> {
    running: &'a Mutex<usize>,
    changed: &'a Condvar,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        *lock(self.running) -= 1;
        self.changed.notify_all();
    }
}

/// A panic elsewhere leaves counters and job lists usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once() {
        for n_threads in [1, 2, 5] {
            let mut done = vec![0; 100];
            let mut seen = 0;
            let work = |(): &mut (), job: &mut i32, _: &AtomicBool| {
                *job += 1;
                Ok(1)
            };
            let monitor = &mut |progress| {
                assert!(progress >= seen);
                seen = progress;
                true
            };
            run(done.iter_mut(), n_threads, || Ok(()), work, monitor).unwrap();
            assert!(done.iter().all(|&count| count == 1));
        }
    }

    #[test]
    fn a_pair_gives_both_answers() {
        for n_threads in [1, 2] {
            let mut numbers = [1, 2];
            let [one, other] = &mut numbers;
            let answers = pair(n_threads, || std::mem::replace(one, 3), || std::mem::take(other));
            assert_eq!((answers, numbers), ((1, 2), [3, 0]));
        }
    }

    #[test]
    fn a_monitor_stops_the_jobs() {
        let work = |(): &mut (), _: usize, stop: &AtomicBool| {
            while !stop.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            Err(SolverError::Interrupted)
        };
        let result = run(0..1000, 2, || Ok(()), work, &mut |_| false);
        assert_eq!(result, Err(SolverError::Interrupted));
    }

    #[test]
    fn the_first_error_comes_back() {
        let refused = SolverError::Length { name: "job", expected: 0, got: 3 };
        let work = |(): &mut (), job: usize, _: &AtomicBool| {
            if job == 3 { Err(refused.clone()) } else { Ok(1) }
        };
        assert_eq!(run(0..10, 1, || Ok(()), work, &mut |_| true), Err(refused.clone()));
    }
}

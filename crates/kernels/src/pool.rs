//! One pool of threads for everything hot.
//!
//! A job is a closure called once for every task index. Tasks are claimed one at a time from a shared counter, so any
//! thread may run any task; results must not depend on which. Workers spin briefly for the next job and then sleep: a
//! decoded token is hundreds of jobs a few microseconds apart, and waking a thread costs more than such a job.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// How often a worker looks for a new job before it sleeps: some 50 microseconds.
const SPINS: usize = 20_000;
/// How often the caller looks for the last task's end before it sleeps until then.
const SPINS_FOR_END: usize = 4_000;

/// A pool of threads; the thread that calls [`Pool::run`] is one of them.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held by the thread whose job is running.
    turn: Mutex<()>,
}

/// What the caller and the workers share. A job's fields change only between jobs: a worker reads them and then claims
/// a task by exchanging `ticket`, which fails if the job has changed since. A claimed task keeps the job alive, since
/// the caller waits for `done` to reach `tasks`.
struct Shared {
    /// The job's number in the upper half, how many of its tasks are unclaimed in the lower: at 0 nothing can be
    /// claimed, whatever the other fields say.
    ticket: AtomicU64,
    tasks: AtomicUsize,
    /// Points to a `Task` on the caller's stack.
    task: AtomicPtr<()>,
    done: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
    sleepers: Mutex<usize>,
    wake: Condvar,
    /// Whether the caller sleeps, or is about to, until the last task ends.
    caller_sleeps: AtomicBool,
    ended: (Mutex<()>, Condvar),
}

type Task<'a> = &'a (dyn Fn(usize) + Sync);

thread_local! {
    /// Set while this thread runs a task: a job begun inside a task runs on this thread alone.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

impl Pool {
    /// A pool of `threads` threads (at least one), the caller included.
    pub fn new(threads: usize) -> Pool {
        let shared = Arc::new(Shared {
            ticket: AtomicU64::new(0),
            tasks: AtomicUsize::new(0),
            task: AtomicPtr::new(std::ptr::null_mut()),
            done: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sleepers: Mutex::new(0),
            wake: Condvar::new(),
            caller_sleeps: AtomicBool::new(false),
            ended: (Mutex::new(()), Condvar::new()),
        });
        // A thread that the system refuses is done without: the caller alone can run every task.
        let workers = (1..threads)
            .map_while(|i| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new().name(format!("smolvlm-{i}")).spawn(move || shared.work()).ok()
            })
            .collect();
        Pool { shared, workers, turn: Mutex::new(()) }
    }

    /// The number of threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task(i)` once for every `i` in `0..tasks`, on all threads, and returns when all have ended.
    ///
    /// # Panics
    /// If a task panicked.
    pub fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        assert!(tasks <= u32::MAX as usize, "a job has at most 2^32 - 1 tasks");
        if tasks <= 1 || self.workers.is_empty() || INSIDE.get() {
            (0..tasks).for_each(task);
            return;
        }
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let task: Task<'_> = &task;
        self.shared.run(tasks, &task);
        let panicked = self.shared.panicked.swap(false, Ordering::Relaxed);
        drop(turn);
        assert!(!panicked, "a task of the pool panicked");
    }

    /// Cuts `data` into pieces of `len` items (the last may be shorter) and calls `task(i, piece)` for each.
    pub fn chunks<T: Send>(&self, data: &mut [T], len: usize, task: impl Fn(usize, &mut [T]) + Sync) {
        let total = data.len();
        let base = SendPtr(data.as_mut_ptr());
        self.run(total.div_ceil(len.max(1)), |i| {
            let start = i * len;
            let end = (start + len).min(total);
            // SAFETY: pieces of different tasks are disjoint, inside `data`, and `run` ends before the borrow does.
            let piece = unsafe { std::slice::from_raw_parts_mut(base.at(start), end - start) };
            task(i, piece);
        });
    }
}

/// A pointer that tasks on other threads may write through, each in a range of its own.
pub(crate) struct SendPtr<T>(pub(crate) *mut T);

// SAFETY: the pointer alone is sent; whoever dereferences it states why the ranges are disjoint.
unsafe impl<T: Send> Send for SendPtr<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SendPtr<T> {}

impl<T> SendPtr<T> {
    /// The pointer `offset` items further on.
    pub(crate) fn at(&self, offset: usize) -> *mut T {
        self.0.wrapping_add(offset)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        drop(self.shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches its tasks' panics, so it cannot have ended with one.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn run(&self, tasks: usize, task: &Task<'_>) {
        let number = (self.ticket.load(Ordering::Relaxed) >> 32).wrapping_add(1) & 0xFFFF_FFFF;
        self.tasks.store(tasks, Ordering::Relaxed);
        self.task.store(std::ptr::from_ref(task).cast_mut().cast(), Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        // SeqCst pairs with the workers' count of themselves as sleepers: one of the two sides sees the other.
        self.ticket.store(number << 32 | tasks as u64, Ordering::SeqCst);
        if *self.sleepers.lock().unwrap_or_else(PoisonError::into_inner) > 0 {
            self.wake.notify_all();
        }
        self.claim(number);
        self.wait_for_end(tasks);
    }

    /// Spins, then sleeps: to yield instead would give the core away for a whole slice where others want it.
    fn wait_for_end(&self, tasks: usize) {
        for _ in 0..SPINS_FOR_END {
            if self.done.load(Ordering::Acquire) >= tasks {
                return;
            }
            std::hint::spin_loop();
        }
        // SeqCst, as the count of done tasks: either the last task sees the sleeper, or the sleeper sees the end.
        self.caller_sleeps.store(true, Ordering::SeqCst);
        let (lock, ended) = &self.ended;
        let mut guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.done.load(Ordering::SeqCst) < tasks {
            guard = ended.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.caller_sleeps.store(false, Ordering::SeqCst);
    }

    /// Runs tasks of job `number` until none is left.
    fn claim(&self, number: u64) {
        loop {
            let ticket = self.ticket.load(Ordering::Acquire);
            let (job, unclaimed) = (ticket >> 32, (ticket & 0xFFFF_FFFF) as usize);
            if job != number || unclaimed == 0 {
                return;
            }
            let (tasks, task) = (self.tasks.load(Ordering::Relaxed), self.task.load(Ordering::Relaxed));
            if self.ticket.compare_exchange_weak(ticket, ticket - 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                continue;
            }
            let index = tasks - unclaimed;
            // SAFETY: the exchange succeeded, so the job has not changed since its fields were read, and its caller
            // waits in `run`, where `task` lives, until this task is counted in `done`.
            let task = unsafe { *task.cast::<Task<'_>>() };
            INSIDE.set(true);
            let result = catch_unwind(AssertUnwindSafe(|| task(index)));
            INSIDE.set(false);
            if result.is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            let last = self.done.fetch_add(1, Ordering::SeqCst) + 1 == tasks;
            if last && self.caller_sleeps.load(Ordering::SeqCst) {
                drop(self.ended.0.lock().unwrap_or_else(PoisonError::into_inner));
                self.ended.1.notify_all();
            }
        }
    }

    /// A worker's life.
    fn work(&self) {
        let mut last = 0;
        while let Some(number) = self.next_job(last) {
            self.claim(number);
            last = number;
        }
    }

    /// Waits for a job other than `last`; `None` when the pool is dropped.
    fn next_job(&self, last: u64) -> Option<u64> {
        let fresh = || Some(self.ticket.load(Ordering::SeqCst) >> 32).filter(|&n| n != last);
        for _ in 0..SPINS {
            if self.stop.load(Ordering::Acquire) {
                return None;
            }
            if let Some(number) = fresh() {
                return Some(number);
            }
            std::hint::spin_loop();
        }
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        *sleepers += 1;
        let found = loop {
            if self.stop.load(Ordering::Acquire) {
                break None;
            }
            if let Some(number) = fresh() {
                break Some(number);
            }
            sleepers = self.wake.wait(sleepers).unwrap_or_else(PoisonError::into_inner);
        };
        *sleepers -= 1;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads);
            // WebAssembly has no threads: the caller runs every task.
            assert_eq!(pool.threads(), if cfg!(target_family = "wasm") { 1 } else { threads });
            for tasks in [0, 1, 2, 5, 100, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, |i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1), "{threads} threads, {tasks} tasks");
            }
        }
    }

    #[test]
    fn many_short_jobs_and_sleeps() {
        let pool = Pool::new(3);
        let sum = AtomicUsize::new(0);
        for job in 0..20_000 {
            pool.run(3, |i| {
                sum.fetch_add(i, Ordering::Relaxed);
            });
            if job % 5_000 == 0 && !cfg!(target_family = "wasm") {
                std::thread::sleep(std::time::Duration::from_millis(5)); // long enough for the workers to sleep
            }
        }
        assert_eq!(sum.load(Ordering::Relaxed), 60_000);
    }

    #[test]
    fn pieces_are_disjoint_and_complete() {
        let pool = Pool::new(2);
        let mut data = vec![0u32; 1003];
        pool.chunks(&mut data, 10, |i, piece| piece.iter_mut().for_each(|x| *x += i as u32 + 1));
        assert!(data.iter().enumerate().all(|(at, &x)| x as usize == at / 10 + 1));
    }

    #[test]
    fn a_job_inside_a_task_runs() {
        let pool = Pool::new(2);
        let sum = AtomicUsize::new(0);
        pool.run(4, |_| {
            pool.run(4, |i| {
                sum.fetch_add(i, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.load(Ordering::Relaxed), 24);
    }

    #[test]
    #[cfg_attr(target_family = "wasm", ignore = "a panic ends a program there")]
    fn a_panic_in_a_task_reaches_the_caller_and_the_pool_lives() {
        let pool = Pool::new(2);
        let caught = catch_unwind(AssertUnwindSafe(|| pool.run(8, |i| assert_ne!(i, 5))));
        assert!(caught.is_err());
        pool.run(8, |_| {});
    }
}

import Dispatch

/// Threads of their own for work that blocks or computes for long: hashing, reading and writing files.
///
/// An import on the shared pool would keep every other task of the node waiting; here it has two threads
/// per core's worth of work and the pool stays free.
package final class WorkExecutor: TaskExecutor {
    /// The one that imports, unpacking and CAR files share.
    package static let shared = WorkExecutor(label: "dag-work")

    private let queue: DispatchQueue

    package init(label: String) {
        queue = DispatchQueue(label: label, attributes: .concurrent)
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    package func asUnownedTaskExecutor() -> UnownedTaskExecutor {
        unsafe UnownedTaskExecutor(ordinary: self)
    }
}

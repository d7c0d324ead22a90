import NIOCore
import SansIO

/// Drives one protocol core on the control loop: feeds it inputs and time, keeps the one timer that its
/// `deadline` asks for, and hands its effects back in order.
///
/// Confined to the loop that it was made for, like the service that owns it.
struct CoreDriver<Core: ProtocolCore> {
    private(set) var core: Core
    private var effects: [Core.Effect] = []
    private var timer: Scheduled<Void>?
    private var timerDeadline: Instant?

    init(_ core: Core) { self.core = core }

    /// Feeds `input`; the effects are what the core wants done, in order.
    mutating func handle(_ input: consuming Core.Input) -> [Core.Effect] {
        effects.removeAll(keepingCapacity: true)
        core.handle(input, now: ControlPlane.now, into: &effects)
        return effects
    }

    /// Fires what is due.
    mutating func tick() -> [Core.Effect] {
        effects.removeAll(keepingCapacity: true)
        timer = nil
        timerDeadline = nil
        core.tick(now: ControlPlane.now, into: &effects)
        return effects
    }

    /// Makes sure that `fire` runs on `loop` when the core's deadline comes.
    ///
    /// A timer that comes too early costs one empty tick; so a deadline that moves back is left alone.
    mutating func schedule(on loop: any EventLoop, _ fire: @escaping @Sendable () -> Void) {
        guard let deadline = core.deadline else { return }
        if let timerDeadline, timerDeadline <= deadline { return }
        timer?.cancel()
        timerDeadline = deadline
        timer = loop.scheduleTask(deadline: .uptimeNanoseconds(deadline.nanoseconds), fire)
    }

    mutating func stop() {
        timer?.cancel()
        timer = nil
    }
}

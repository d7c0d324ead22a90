import SansIO
import Simulation
import Testing

@Suite("Virtual time") struct EventQueueTests {
    @Test("Events come by time, and in the order of their scheduling at the same instant")
    func order() {
        var queue = EventQueue<Int>()
        queue.schedule(3, at: .zero + .seconds(2))
        queue.schedule(1, at: .zero + .seconds(1))
        queue.schedule(2, at: .zero + .seconds(1))
        #expect(queue.pop() == 1)
        queue.schedule(9, at: .zero)
        #expect(queue.now == .zero + .seconds(1))
        #expect([queue.pop(), queue.pop(), queue.pop(), queue.pop()] == [2, 9, 3, nil])
        #expect(queue.now == .zero + .seconds(2))
    }
}

/// What a Kademlia core has done since it began, for status and tests.
package struct KademliaStatistics: Hashable, Sendable {
    /// A count for each kind of message.
    package struct Counts: Hashable, Sendable {
        private var values = (0, 0, 0, 0, 0, 0)

        package init() {}

        package subscript(kind: KadMessage.Kind) -> Int {
            get {
                switch kind {
                case .putValue: values.0
                case .getValue: values.1
                case .addProvider: values.2
                case .getProviders: values.3
                case .findNode: values.4
                case .ping: values.5
                }
            }
            set {
                switch kind {
                case .putValue: values.0 = newValue
                case .getValue: values.1 = newValue
                case .addProvider: values.2 = newValue
                case .getProviders: values.3 = newValue
                case .findNode: values.4 = newValue
                case .ping: values.5 = newValue
                }
            }
        }

        /// Of all kinds together.
        package var total: Int { KadMessage.Kind.allCases.reduce(0) { $0 + self[$1] } }

        package static func == (left: Counts, right: Counts) -> Bool { left.values == right.values }
        package func hash(into hasher: inout Hasher) {
            for kind in KadMessage.Kind.allCases { hasher.combine(self[kind]) }
        }
    }

    /// Queries that somebody started; refreshes of the table are counted apart.
    package var queriesStarted = 0
    /// Queries that found or stored what was asked.
    package var queriesSucceeded = 0
    package var queriesFailed = 0
    package var refreshes = 0
    package var callsSent = Counts()
    package var callsAnswered = Counts()
    package var callsFailed = Counts()
    /// Calls that nobody waited for any more.
    package var callsAbandoned = 0
    package var requestsServed = Counts()
    package var requestsRefused = Counts()
    /// Requests refused because their source asked too often.
    package var requestsOverRate = 0
    /// Lookups that found a region denser than the network is.
    package var crowdedRegions = 0

    package init() {}
}

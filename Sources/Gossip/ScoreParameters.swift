/// What peers' conduct is worth, and what a score leads to.
///
/// Source: https://github.com/libp2p/specs/blob/master/pubsub/gossipsub/gossipsub-v1.1.md#peer-scoring
package struct ScoreParameters: Sendable {
    /// What follows when a score falls below, or rises above.
    package struct Thresholds: Sendable {
        /// Below: no gossip to the peer or from it.
        package var gossip = -10.0
        /// Below: own messages are not flooded to it.
        package var publish = -20.0
        /// Below: whatever it sends is ignored.
        package var graylist = -40.0
        /// From here on its hints of other peers are followed.
        package var acceptHints = 10.0
        /// A mesh whose median is below looks for better peers.
        package var opportunisticGraft = 1.0

        package init() {}
    }

    package var thresholds = Thresholds()
    /// The most that all topics together can give.
    package var topicCap = 100.0
    /// P5: for each point that the application gives.
    package var applicationWeight = 1.0
    /// P6: for the square of the peers from one address beyond the threshold.
    package var colocationWeight = 0.0
    package var colocationThreshold = 10
    /// P7: for the square of the misdeeds beyond the threshold, and what is left of them after a second.
    package var behaviourWeight = -10.0
    package var behaviourThreshold = 6.0
    package var behaviourDecay = 0.992_354
    /// Counters below this are zero.
    package var decayToZero = 0.01
    /// How long a bad score outlives the connection, and how many do.
    package var retention = Duration.seconds(600)
    package var retained = 4_096
    /// What conduct in topics of our own is worth beside these.
    package var ownTopics = TopicScoreParameters.smallSwarm

    package init() {}

    /// For tens of nodes that know each other: nothing that an honest peer on a bad day could lose much by. Mesh
    /// deliveries do not count: with few messages, and with duplicates saved, they say nothing.
    package static let smallSwarm = ScoreParameters()

    /// For hundreds of nodes and more, any of which may be an attacker: addresses count too, a mesh that delivers
    /// little is bettered, and thresholds lie where the topic's weights make them a matter of seconds.
    package static let largeSwarm: ScoreParameters = {
        var parameters = ScoreParameters()
        parameters.thresholds.gossip = -50
        parameters.thresholds.publish = -100
        parameters.thresholds.graylist = -200
        parameters.thresholds.opportunisticGraft = 5
        parameters.colocationWeight = -10
        parameters.colocationThreshold = 8
        parameters.retention = .seconds(3600)
        parameters.ownTopics = .largeSwarm
        return parameters
    }()
}

/// What a peer's conduct in one topic is worth. Times are seconds, decays what is left after one second.
package struct TopicScoreParameters: Sendable {
    /// Of the topic among others.
    package var weight = 1.0
    /// P1: for each quantum in the mesh, up to the cap.
    package var timeInMeshWeight = 0.01
    package var timeInMeshQuantum = 1.0
    package var timeInMeshCap = 300.0
    /// P2: for messages that it brought first.
    package var firstDeliveriesWeight = 1.0
    package var firstDeliveriesDecay = 0.955
    package var firstDeliveriesCap = 50.0
    /// P3: for the square of the mesh deliveries missing to the threshold. 0 does not count them, which is right
    /// wherever messages are few or IDONTWANT saves duplicates.
    package var meshDeliveriesWeight = 0.0
    package var meshDeliveriesDecay = 0.955
    package var meshDeliveriesCap = 100.0
    package var meshDeliveriesThreshold = 5.0
    /// How long after the first a duplicate still is a delivery.
    package var meshDeliveriesWindow = Duration.milliseconds(10)
    /// How long a peer is in the mesh before it counts.
    package var meshDeliveriesActivation = Duration.seconds(60)
    /// Not of the specification: a mesh peer that brings less than this share of the topic's messages, though it has
    /// been in the mesh for the time given and enough was published, gives its place to a better one. It costs no
    /// score, since it may just be downstream of everything. 0 lets it stay.
    package var idleShare = 0.0
    package var idleActivation = Duration.seconds(15)
    /// The topic's own deliveries, fading like a peer's, below which nobody is idle.
    package var idleFloor = 50.0
    /// For how long a peer that was the first to bring something is none of the strangers below.
    package var usefulness = Duration.seconds(60)
    /// More idle peers than this within minutes (half of one is left after ten) look like an attack: then strangers, who never brought anything,
    /// are taken into the mesh no longer once it has its least degree.
    package var idleAlarm = 1.5
    /// P3b: for the deficits that peers left the mesh with.
    package var failureWeight = 0.0
    package var failureDecay = 0.955
    /// P4: for the square of invalid messages. An hour until they are forgotten.
    package var invalidWeight = -20.0
    package var invalidDecay = 0.998_722

    package init() {}

    /// Whether deliveries to the mesh are counted at all.
    var countsMeshDeliveries: Bool { meshDeliveriesWeight != 0 || idleShare > 0 }

    /// What fits `ScoreParameters.smallSwarm`.
    package static let smallSwarm = TopicScoreParameters()

    /// What fits `ScoreParameters.largeSwarm`: who brings messages first stays, who brings none makes room.
    package static let largeSwarm: TopicScoreParameters = {
        var parameters = TopicScoreParameters()
        parameters.firstDeliveriesDecay = 0.985
        parameters.firstDeliveriesCap = 100
        parameters.meshDeliveriesDecay = 0.9
        parameters.meshDeliveriesCap = 20
        parameters.meshDeliveriesWindow = .seconds(1)
        parameters.idleShare = 0.02
        return parameters
    }()
}

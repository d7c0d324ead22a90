// PeerNode

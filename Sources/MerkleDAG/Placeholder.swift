// MerkleDAG

import Catalog
package import PeerNode

/// The node's own catalog is what the read side answers from.
extension CatalogService: CatalogSource {
    package func news(after id: Int64?) -> any AsyncSequence<CatalogNews, Never> {
        events(after: id).map { CatalogNews(id: $0.id, update: $0.update) }
    }
}

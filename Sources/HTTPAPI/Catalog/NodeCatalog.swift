import Catalog
import PeerNode

/// A node's own catalog as the source of the read side.
struct NodeCatalog: CatalogSource {
    private let service: CatalogService

    init(_ service: CatalogService) { self.service = service }

    var reader: CatalogReader { service.reader }

    func news(after id: Int64?) -> any AsyncSequence<CatalogNews, Never> {
        service.events(after: id).map { CatalogNews(id: $0.id, update: $0.update) }
    }
}

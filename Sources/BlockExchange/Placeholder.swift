// BlockExchange

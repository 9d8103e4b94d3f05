"""How each peer trains, by its own library and its own example; they run in the peers' environment."""

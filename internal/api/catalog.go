package api

// Catalog is what demarc knows of services.
type Catalog interface{}

func (a *API) registerCatalog() {}

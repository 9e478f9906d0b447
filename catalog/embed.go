// Package catalog holds what demarc knows about providers' services, as YAML. docs/adding-a-service.md is its format.
package catalog

import "embed"

//go:generate go test -run TestIndex .. -update

// Files is the whole catalog, and the index of its types.
//
//go:embed *.yaml */*.yaml index/*.txt
var Files embed.FS

// Schema is the JSON Schema of every kind of file of the catalog, for editors.
//
//go:embed schema.json
var Schema []byte

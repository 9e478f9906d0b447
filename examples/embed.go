// Package examples holds an estate that is made up, for demarc to show what it does where nobody has given it anything.
package examples

import "embed"

// Northwind is a small estate in several clouds: its demarc.yaml and its inventories, below "northwind".
//
//go:embed northwind
var Northwind embed.FS

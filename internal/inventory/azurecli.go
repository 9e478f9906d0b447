package inventory

import (
	"strings"

	"github.com/demarc/demarc/internal/jscan"
)

// The Azure CLI prints resources in a form of its own: az vm show, az aks list. It lifts the properties of a resource,
// and of those within it, beside their names, and puts a resourceGroup beside every id:
//
//	{"id": "/subscriptions/...", "name": "web", "type": "Microsoft.Compute/virtualMachines", "resourceGroup": "rg",
//	 "osProfile": {...}}                 where the API has {"id": ..., "properties": {"osProfile": {...}}}
//
// Source for the resourceGroup: https://github.com/Azure/azure-cli, src/azure-cli-core/azure/cli/core/commands/transform.py,
// read 2026-11-29.

const (
	maxLifted      = 3  // resources within each other that are nested again
	maxLiftedDepth = 12 // levels at which they are looked for
)

// nest appends a resource as the Azure CLI prints it, in the form of the API: what it has beside its name is in its
// properties too. The text is valid.
func nest(dst, resource []byte, within, depth int) []byte {
	dst = append(dst, resource[:len(resource)-1]...)
	dst = append(dst, `,"properties":{`...)
	empty := len(dst)
	jscan.RawMembers(resource, func(key, value []byte) bool {
		switch strings.ToLower(string(key)) {
		case "id", "name", "type", "location", "tags", "resourcegroup", "properties":
			return true
		}
		if len(dst) > empty {
			dst = append(dst, ',')
		}
		dst = append(appendJSONText(dst, string(key)), ':')
		dst = nestWithin(dst, value, within, depth+1)
		return true
	})
	return append(dst, "}}"...)
}

// nestWithin appends a value, the resources in it nested again.
func nestWithin(dst, value []byte, within, depth int) []byte {
	if depth > maxLiftedDepth || within >= maxLifted {
		return append(dst, value...)
	}
	switch value[0] {
	case '[':
		dst = append(dst, '[')
		first := len(dst)
		jscan.Elements(value, func(element []byte) bool {
			if len(dst) > first {
				dst = append(dst, ',')
			}
			dst = nestWithin(dst, element, within, depth+1)
			return true
		})
		return append(dst, ']')
	case '{':
		if lifted(value) {
			return nest(dst, value, within+1, depth)
		}
		dst = append(dst, '{')
		first := len(dst)
		jscan.RawMembers(value, func(key, inner []byte) bool {
			if len(dst) > first {
				dst = append(dst, ',')
			}
			dst = append(appendJSONText(dst, string(key)), ':')
			dst = nestWithin(dst, inner, within, depth+1)
			return true
		})
		return append(dst, '}')
	}
	return append(dst, value...)
}

// lifted reports whether an object is a resource as the Azure CLI prints it.
func lifted(object []byte) bool {
	return strings.HasPrefix(scalarText(jscan.Member(object, "id", true)), "/subscriptions/") &&
		scalarText(jscan.Member(object, "resourceGroup", true)) != "" &&
		jscan.Member(object, "properties", true) == nil
}

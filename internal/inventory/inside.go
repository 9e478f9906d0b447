package inventory

import (
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// inside finds the resources whose guest.* duties are those of a more specific one that is present, so that a machine's
// count once: an instance that is a Kubernetes Node, and a cluster whose nodes or pools of nodes are there.
func (s *settler) inside() {
	s.reindex()
	machines := map[[2]string]bool{} // provider, and what the machine of a Node is called there in lower case
	schemes := s.inv.book.Nodes().Schemes
	for _, r := range s.live {
		if r.machine == "" {
			continue
		}
		scheme, rest, _ := strings.Cut(r.machine, "://")
		at := scheme // openstack, vsphere: the machines are the organization's own
		if party := schemes[scheme]; s.inv.book.Providers[string(party)] != nil {
			at = string(party)
		}
		machines[[2]string{at, strings.ToLower(rest[strings.LastIndexByte(rest, '/')+1:])}] = true
	}
	for _, r := range s.live {
		if !hasGuest(r.service) {
			continue
		}
		if len(machines) > 0 && r.ref.Dialect != demarc.Kubernetes {
			for _, name := range append([]string{r.name, r.id[strings.LastIndexByte(r.id, '/')+1:]}, r.aliases...) {
				r.inside = r.inside || name != "" && machines[[2]string{r.provider, strings.ToLower(name)}]
			}
		}
		for i := range r.service.Relations {
			if r.service.Relations[i].Name != "cluster" {
				continue
			}
			for _, reference := range r.refs[i] {
				for _, to := range r.service.Relations[i].To {
					for _, cluster := range s.find(r, s.inv.book.Service(to), reference) {
						cluster.inside = cluster.inside || cluster != r
					}
				}
			}
		}
	}
}

var guestPatching = demarc.DutyIndex("guest.patching")

// hasGuest reports whether a service has a guest at all.
func hasGuest(s *rulebook.Service) bool {
	return s.Base[guestPatching] != nil && s.Base[guestPatching].Roles != 0
}

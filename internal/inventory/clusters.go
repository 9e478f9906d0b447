package inventory

import (
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

const managedKubernetes = "managed-kubernetes" // the archetype

// clusters says of each cluster of Kubernetes whose it is. There are few of them.
type clusters struct {
	book  *rulebook.Rulebook
	votes map[string]*vote              // by what the cluster is called
	own   map[string]*rulebook.Provider // by name in lower case; nil for a name that two have
}

// vote is what the nodes of a cluster say its host and operator are.
type vote struct {
	first, named     first // the node that goes before the others, and the one of those that name an operator
	host, operator   demarc.Party
	assumed, several bool
}

// add takes what a resource says of its cluster.
func (c *clusters) add(r *record) {
	if r.roles != nil {
		c.vote(r)
	}
	if r.service.Archetype.ID != managedKubernetes || r.provider == "kubernetes" {
		return
	}
	// An EKS cluster "shop" in the inventory says more of the cluster "shop" than labels do. A name that two have says nothing.
	if c.own == nil {
		c.own = map[string]*rulebook.Provider{}
	}
	name := lower(r.name)
	if _, twice := c.own[name]; twice {
		c.own[name] = nil
		return
	}
	c.own[strings.Clone(name)] = c.book.Providers[r.provider]
}

func (c *clusters) vote(r *record) {
	if c.votes == nil {
		c.votes = map[string]*vote{}
	}
	at := first{source: r.source, rank: r.rank, captured: r.captured, sequence: r.sequence}
	v := c.votes[r.account]
	if v == nil {
		v = &vote{first: at, host: r.roles.host, assumed: r.roles.assumed}
		c.votes[strings.Clone(r.account)] = v
	}
	v.several = v.several || v.host != r.roles.host
	if at.before(&v.first) {
		v.first, v.host, v.assumed = at, clone(r.roles.host), r.roles.assumed
	}
	if r.roles.operator != "" && (v.operator == "" || at.before(&v.named)) {
		v.named, v.operator = at, clone(r.roles.operator)
	}
}

func clone(p demarc.Party) demarc.Party { return demarc.Party(strings.Clone(string(p))) }

// settle is called when all resources were added.
func (c *clusters) settle() {
	for _, v := range c.votes {
		if v.several {
			v.host, v.assumed = demarc.Self, true // nodes in several places: nobody can be named
		}
	}
}

// of returns who plays the roles of a resource by what its cluster says, nil if it says nothing.
func (c *clusters) of(r *record) *observedRoles {
	if r.provider != "kubernetes" {
		return r.roles
	}
	if p := c.own[lower(r.account)]; p != nil {
		return &observedRoles{host: p.Roles[demarc.Host], operator: p.Roles[demarc.Operator]}
	}
	v := c.votes[r.account]
	switch {
	case v == nil:
		return r.roles
	case r.roles == nil:
		return &observedRoles{v.host, v.operator, v.assumed}
	case r.roles.operator == "":
		return &observedRoles{r.roles.host, v.operator, r.roles.assumed}
	default:
		return r.roles
	}
}

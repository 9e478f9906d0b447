package store

import (
	"cmp"
	"slices"

	"github.com/demarc/demarc"
)

// class is what resources have in common that count alike: standing, service, and the duties that nobody has accepted.
type class struct {
	standing uint32 // with insideBit
	service  uint32 // number, of snapshot.services
	open     uint64 // duties that a team does and has not accepted
}

// classes are the resources of a snapshot by class. Whatever is counted is worked out once for each class.
type classes struct {
	list     []class
	services []demarc.ServiceID // by number
	of       []uint32           // of each position
	order    []uint32           // positions, by class, then in the order of ids
	start    []uint32           // of each class in order, and the end
	place    []uint32           // of each position in order
	open     bool               // whether teams are declared at all
}

// classify makes the classes of a snapshot; open may be nil.
func (n *snapshot) classify(open []uint64) *classes {
	size := len(n.rids)
	c := &classes{of: make([]uint32, size), order: make([]uint32, size), place: make([]uint32, size), open: open != nil}
	serviceOf := make([]uint32, len(n.view.places))
	known := map[demarc.ServiceID]uint32{}
	for i := range n.view.places {
		id := n.view.places[i].service
		number, ok := known[id]
		if !ok {
			number = uint32(len(c.services))
			known[id] = number
			c.services = append(c.services, id)
		}
		serviceOf[i] = number
	}
	// Nearly all resources of a standing are of one class: it is asked first.
	last := make([]uint32, 2*n.view.standings) // class + 1
	numbers := map[class]uint32{}
	for pos := range n.rids {
		k := class{standing: n.standings[pos], service: serviceOf[n.places[pos]]}
		if open != nil {
			k.open = open[pos]
		}
		at := &last[2*(k.standing&^insideBit)+k.standing>>31]
		if *at == 0 || c.list[*at-1] != k {
			number, ok := numbers[k]
			if !ok {
				number = uint32(len(c.list))
				numbers[k] = number
				c.list = append(c.list, k)
			}
			*at = number + 1
		}
		c.of[pos] = *at - 1
	}
	c.start = make([]uint32, len(c.list)+1)
	for _, number := range c.of {
		c.start[number+1]++
	}
	for i := range c.list {
		c.start[i+1] += c.start[i]
	}
	next := slices.Clone(c.start)
	for pos, number := range c.of {
		at := next[number]
		next[number]++
		c.order[at], c.place[at] = uint32(pos), n.places[pos]
	}
	return c
}

// counted goes through the classes of which something is wanted: how many resources, and which of their duties.
func (sel *selection) counted(yield func(c *class, mask uint64, times int) bool) {
	for i, mask := range sel.masks {
		if mask != 0 && !yield(&sel.classes.list[i], mask, int(sel.start[i+1]-sel.start[i])) {
			return
		}
	}
}

// grouped is counted for each group of places.
func (sel *selection) grouped(groupOf []uint32, groups int, yield func(c *class, mask uint64, group uint32, times int)) {
	count := make([]int, groups)
	var touched []uint32
	for i, mask := range sel.masks {
		if mask == 0 {
			continue
		}
		touched = touched[:0]
		for at := sel.start[i]; at < sel.start[i+1]; at++ {
			g := groupOf[sel.place[at]]
			if count[g] == 0 {
				touched = append(touched, g)
			}
			count[g]++
		}
		for _, g := range touched {
			yield(&sel.classes.list[i], mask, g, count[g])
			count[g] = 0
		}
	}
}

// first keeps the smallest few of two lists of positions.
func first(a, b []int, most int) []int {
	a = append(a, b...)
	slices.SortFunc(a, cmp.Compare[int])
	a = slices.Compact(a)
	return a[:min(len(a), most)]
}

package spill

// arena holds byte strings in pieces of memory, so that none is copied when there are more.
type arena struct {
	pieces, free [][]byte
	size         int // bytes of all byte strings
}

// place is where a byte string of an arena begins: the number of its piece, and in the lower half how far into it.
type place uint32

const pieceSize = 1 << 16

// add copies b. There is room for 4 GiB.
func (a *arena) add(b []byte) place {
	last := len(a.pieces) - 1
	if last < 0 || len(a.pieces[last])+len(b) > cap(a.pieces[last]) || len(a.pieces[last]) == cap(a.pieces[last]) {
		last++
		a.pieces = append(a.pieces, a.piece(len(b)))
	}
	p := &a.pieces[last]
	at := place(last)<<16 | place(len(*p))
	*p = append(*p, b...)
	a.size += len(b)
	return at
}

// piece returns an empty piece with room for n bytes. One that is larger than others takes nothing else.
func (a *arena) piece(n int) []byte {
	if last := len(a.free) - 1; n <= pieceSize && last >= 0 {
		p := a.free[last]
		a.free = a.free[:last]
		return p
	}
	return make([]byte, 0, max(n, pieceSize))
}

// at returns the n bytes at a place.
func (a *arena) at(p place, n uint32) []byte {
	return a.pieces[p>>16][p&(pieceSize-1):][:n]
}

// empty forgets all byte strings, and keeps the pieces for others.
func (a *arena) empty() {
	for _, p := range a.pieces {
		if cap(p) == pieceSize {
			a.free = append(a.free, p[:0])
		}
	}
	clear(a.pieces)
	a.pieces, a.size = a.pieces[:0], 0
}

package rule

// ByCEL reports whether it takes CEL to answer a question.
func ByCEL(q *Question) bool { return q.programs.plain != nil }

// WithoutNative returns p as CEL alone evaluates it.
func WithoutNative(p *Program) *Program {
	out := *p
	out.parts = make([]part, len(p.parts))
	for i, x := range p.parts {
		atom := *x.Atom
		atom.native = nil
		out.parts[i] = part{&atom, x.facts}
	}
	return &out
}

// Natives returns how many atoms of p take no CEL.
func Natives(p *Program) (natives, all int) {
	for _, x := range p.parts {
		if x.native != nil {
			natives++
		}
	}
	return natives, len(p.parts)
}

package rulebook

// Detach takes the services out of their book, so that those of two books can be compared.
func Detach(b *Rulebook) []*Service {
	all := b.Services()
	for _, s := range all {
		s.book = nil
	}
	return all
}

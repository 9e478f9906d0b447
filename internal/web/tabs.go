package web

// Tab is one of a few ways to see a page.
type Tab struct {
	Title, Link string
	Current     bool
	Count       int
}

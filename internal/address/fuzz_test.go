package address_test

import (
	"net/netip"
	"testing"

	"github.com/demarc/demarc/internal/address"
)

// FuzzOpenToWorld asks that a wider range is open where one in it is, but for the ranges that nobody has, and that a
// range is as open as the prefix that says the same.
func FuzzOpenToWorld(f *testing.F) {
	for _, s := range []string{
		"0.0.0.0/0", "::/0", "10.0.0.0/7", "1.0.0.0-9.255.255.255", "::ffff:0.0.0.0/96", "fe80::1%eth0", "*", "Internet", "VirtualNetwork", "pl-1", " 1.2.3.4 ", "224.0.0.0/3", "2000::-3fff::", "0x7f.1", "1.2.3", "/", "-",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		open, err := address.OpenToWorld(s)
		if err != nil && (open || err.Error() == "") {
			t.Errorf("%q is open %t, and %v", s, open, err)
		}
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			return
		}
		for bits := p.Bits() - 1; open && bits >= 0; bits-- {
			wider := netip.PrefixFrom(p.Addr(), bits).Masked()
			if got, err := address.OpenToWorld(wider.String()); !got || err != nil {
				t.Errorf("%s is open and %s is not: %v", s, wider, err)
			}
		}
	})
}

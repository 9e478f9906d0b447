// Package address tells which ranges of network addresses are open to the whole internet.
package address

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// A range of addresses is open to the world if it is wider than any one organization is given: an IPv4 range
// wider than a /8, an IPv6 range wider than a /16. So two halves, 0.0.0.0/1 and 128.0.0.0/1, are open as well.
const (
	widestIPv4 = 8
	widestIPv6 = 16
)

// reserved holds ranges that are that wide, and that nobody on the internet has.
// Source: IANA IPv4 and IPv6 special-purpose address registries (RFC 6890), RFC 4193, RFC 4291.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("224.0.0.0/3"), // multicast and reserved
	netip.MustParsePrefix("fc00::/7"),    // unique local
	netip.MustParsePrefix("fe00::/7"),    // link local and multicast
}

// OpenToWorld reports whether a firewall source covers the internet. It reads CIDRs, single addresses, ranges
// (a-b), and what providers write for everywhere: "*", "Any", "Internet". The unspecified address stands for all.
// Other names, such as a security group or the tag VirtualNetwork, are not the world. It returns an error for what
// cannot be told: an address that is none, and a prefix list, whose entries are elsewhere.
func OpenToWorld(s string) (bool, error) {
	text := strings.TrimSpace(s)
	switch strings.ToLower(text) {
	case "*", "any", "internet":
		return true, nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return openPrefix(p), nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap().IsUnspecified(), nil
	}
	if from, to, ok := strings.Cut(text, "-"); ok {
		a, errA := netip.ParseAddr(strings.TrimSpace(from))
		b, errB := netip.ParseAddr(strings.TrimSpace(to))
		if errA == nil && errB == nil && a.BitLen() == b.BitLen() {
			return openRange(a, b), nil
		}
	}
	switch {
	case text == "":
		return false, fmt.Errorf("an empty text is no range of addresses")
	case strings.HasPrefix(text, "pl-"):
		return false, fmt.Errorf("the entries of prefix list %q are not known here", s)
	case strings.ContainsAny(text, "/:") || '0' <= text[0] && text[0] <= '9':
		return false, fmt.Errorf("%q is no range of addresses", s)
	default:
		return false, nil
	}
}

func openPrefix(p netip.Prefix) bool {
	bits, limit := p.Bits(), widestIPv6
	if a := p.Addr(); a.Is4In6() && bits >= 96 { // ::ffff:0:0/96 is all of IPv4
		p = netip.PrefixFrom(a.Unmap(), bits-96)
		bits = p.Bits()
	}
	if p.Addr().Is4() {
		limit = widestIPv4
	}
	return bits < limit && !isReserved(p)
}

func isReserved(p netip.Prefix) bool {
	for _, r := range reserved {
		if r.Bits() <= p.Bits() && r.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// openRange compares the first 64 bits of an IPv6 range, which is exact enough for a /16.
func openRange(from, to netip.Addr) bool {
	high := func(a netip.Addr) uint64 {
		if a.Is4() {
			b := a.As4()
			return uint64(binary.BigEndian.Uint32(b[:])) << 32
		}
		b := a.As16()
		return binary.BigEndian.Uint64(b[:])
	}
	widest := widestIPv6
	if from.Is4() {
		widest = widestIPv4
	}
	if to.Less(from) || high(to)-high(from) < 1<<(64-widest) {
		return false
	}
	for _, r := range reserved {
		if r.Contains(from) && r.Contains(to) {
			return false
		}
	}
	return true
}

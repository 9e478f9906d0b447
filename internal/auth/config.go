package auth

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
)

// Config says how people and programs show who they are. Its YAML is the file that --access names.
type Config struct {
	// URL is where people reach demarc: "https://demarc.northwind.example". Cookies are for https alone where it is that.
	URL string `yaml:"url"`
	// Provider is who knows the people. Without one only tokens are taken.
	Provider Provider `yaml:"oidc"`
	// Grants says what the groups of people may do. Who is in several has all of it.
	Grants []GroupGrant `yaml:"grants"`
	// Idle is how long a session lasts without a request, Life how long at most, as "90m". Default 8h and 24h.
	Idle string `yaml:"session_idle"`
	Life string `yaml:"session_life"`
	// Proxies are the addresses of what stands in front and says in X-Forwarded-For for whom it asks: "10.1.0.0/16".
	Proxies []string `yaml:"proxies"`

	base       *url.URL
	idle, life time.Duration
	proxies    []netip.Prefix
}

// Provider is an OpenID Connect provider.
type Provider struct {
	Issuer   string   `yaml:"issuer"`
	ClientID string   `yaml:"client_id"`
	Secret   string   `yaml:"client_secret_file"` // the file that holds it; none for a public client
	Scopes   []string `yaml:"scopes"`             // besides openid, profile, email
	Groups   string   `yaml:"groups_claim"`       // default "groups"

	secret string
}

// GroupGrant is what the members of a group may do; the group "*" is everybody who can log in.
type GroupGrant struct {
	Group string            `yaml:"group"`
	Role  demarc.AccessRole `yaml:"role"`
	Teams []string          `yaml:"teams"`
}

// Finish fills in what is left out, reads the secret, and returns everything that is wrong.
func (c *Config) Finish() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	var err error
	if c.base, err = url.Parse(c.URL); err != nil || c.base.Host == "" || c.base.Scheme != "https" && c.base.Scheme != "http" || strings.Trim(c.base.Path, "/") != "" {
		fault("url %q: expected where people reach demarc, as https://demarc.example", c.URL)
	} else if c.base.Scheme == "http" && !loopbackHost(c.base.Hostname()) {
		fault("url %q: what is said in plain text can be read on the way; expected https", c.URL)
	}
	var idleErr, lifeErr error
	c.idle, idleErr = time.ParseDuration(cmp.Or(c.Idle, "8h"))
	c.life, lifeErr = time.ParseDuration(cmp.Or(c.Life, "24h"))
	if idleErr != nil || lifeErr != nil || c.idle < time.Minute || c.life < c.idle {
		fault("session_idle %q and session_life %q: expected a minute or more, as 90m or 8h, and no less life than idle", c.Idle, c.Life)
	}
	for _, text := range c.Proxies {
		prefix, err := netip.ParsePrefix(text)
		if addr, single := netip.ParseAddr(text); err != nil && single == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			fault("proxies: %q: expected an address or a range, as 10.1.0.0/16", text)
		}
		c.proxies = append(c.proxies, prefix)
	}
	if c.Provider.Issuer == "" {
		return errors.Join(faults...)
	}
	p := &c.Provider
	if issuer, err := url.Parse(p.Issuer); err != nil || issuer.Host == "" || issuer.Scheme != "https" && !loopbackHost(issuer.Hostname()) {
		fault("oidc.issuer %q: expected an https address", p.Issuer)
	}
	if p.ClientID == "" {
		fault("oidc.client_id: expected what the provider calls demarc")
	}
	if p.Groups == "" {
		p.Groups = "groups"
	}
	if p.Secret != "" {
		text, err := os.ReadFile(p.Secret)
		if err != nil {
			fault("oidc.client_secret_file: %w", err)
		}
		p.secret = strings.TrimSpace(string(text))
	}
	if len(c.Grants) == 0 {
		fault("grants: nobody may do anything; expected a group and a role")
	}
	for _, g := range c.Grants {
		if g.Group == "" {
			fault("grants: expected a group, or \"*\" for everybody who can log in")
		}
		if err := (demarc.Grant{Role: g.Role, Teams: g.Teams}).Validate(); err != nil {
			fault("grants: group %q: %w", g.Group, err)
		}
	}
	return errors.Join(faults...)
}

// of returns what somebody in some groups may do.
func (c *Config) of(groups []string) []demarc.Grant {
	var out []demarc.Grant
	for _, g := range c.Grants {
		if g.Group == "*" || slices.Contains(groups, g.Group) {
			out = append(out, demarc.Grant{Role: g.Role, Teams: g.Teams})
		}
	}
	return out
}

// loopbackHost reports whether a host is this machine by its name alone: whoever can make names cannot make this one.
func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

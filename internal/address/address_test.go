package address

import "testing"

func TestOpenToWorld(t *testing.T) {
	for _, tt := range []struct {
		source string
		want   bool
	}{
		{"0.0.0.0/0", true},
		{"::/0", true},
		{"0.0.0.0", true},
		{"::", true},
		{"*", true},
		{"Internet", true},
		{"any", true},
		{"1.2.3.4/0", true},
		{"0.0.0.0/1", true},
		{"128.0.0.0/1", true},
		{"64.0.0.0/7", true},
		{"2000::/3", true},
		{"::ffff:0:0/96", true},
		{"::ffff:0.0.0.0/96", true},
		{"0.0.0.0-255.255.255.255", true},
		{"1.0.0.0 - 223.255.255.255", true},
		{"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true},

		{"10.0.0.0/8", false},
		{"3.0.0.0/8", false},
		{"203.0.113.0/24", false},
		{"203.0.113.7", false},
		{"203.0.113.7/32", false},
		{"224.0.0.0/4", false},
		{"240.0.0.0/4", false},
		{"fc00::/7", false},
		{"2001:db8::/32", false},
		{"2001:db8::1", false},
		{"::ffff:10.0.0.0/104", false},
		{"10.0.0.0-10.0.0.255", false},
		{"10.0.0.9-10.0.0.1", false},
		{"2001:db8::-2001:db8::ff", false},
		{"VirtualNetwork", false},
		{"AzureLoadBalancer", false},
		{"sg-0123456789abcdef0", false},
		{"my-service-account@project", false},
	} {
		if got, err := OpenToWorld(tt.source); got != tt.want || err != nil {
			t.Errorf("OpenToWorld(%q) = %v, %v, want %v", tt.source, got, err, tt.want)
		}
	}
	for _, source := range []string{"", " ", "10.0.0.0/33", "300.0.0.1", "10.0.0.0/", "pl-63a5400a", "1.2.3.4-5", "10.0.0.1-::1", "host/24"} {
		if got, err := OpenToWorld(source); err == nil {
			t.Errorf("OpenToWorld(%q) = %v, want an error", source, got)
		}
	}
}

package rule

import "testing"

func TestVersionAtLeast(t *testing.T) {
	for _, tt := range []struct {
		v, least string
		want     bool
	}{
		{"1.30", "1.30", true},
		{"1.31", "1.30", true},
		{"1.9", "1.30", false},
		{"1.30", "1.30.1", false},
		{"1.30.0", "1.30", true},
		{"1.30.1", "1.30", true},
		{"2", "1.30", true},
		{"v1.31.2-gke.1004000", "1.31.2", true},
		{"v1.31.2", "v1.31.3", false},
		{"16.3", "16.10", false},
		{"8.0.mysql_aurora.3.04.0", "8.0", true},
		{"5.7.mysql_aurora.2.11.1", "8.0", false},
		{"19.0.0.0.ru-2023-10.rur-2023-10.r1", "19", true},
		{"OpenSearch_2.11", "OpenSearch_2.9", true},
		{"python3.9", "python3.12", false},
		{"Python 3.12", "python 3.9", true},
		{"nodejs18.x", "nodejs18", true},
		{"1.30.0-rc.1", "1.30.0", false},
		{"1.30.0-rc.1", "1.29", true},
		{"1.30.0", "1.30.0-beta", true},
		{"1.30.0-alpha", "1.30.0-alpha", true},
		{"1.30.0-release", "1.30.0", true},
		{"007", "7", true},
		{"99999999999999999999999", "99999999999999999999998", true},
		{" 1.2 ", "1.2", true},
	} {
		if got, err := versionAtLeast(tt.v, tt.least); got != tt.want || err != nil {
			t.Errorf("versionAtLeast(%q, %q) = %v, %v, want %v", tt.v, tt.least, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ v, least string }{
		{"", "1"}, {"latest", "1"}, {"1", "latest"}, {".5", "0"}, {"Elasticsearch_7.10", "OpenSearch_2.11"}, {"2.11", "OpenSearch_2.11"}, {"-1", "1"},
	} {
		if got, err := versionAtLeast(tt.v, tt.least); err == nil {
			t.Errorf("versionAtLeast(%q, %q) = %v, want an error", tt.v, tt.least, got)
		}
	}
}

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
		if got, err := openToWorld(tt.source); got != tt.want || err != nil {
			t.Errorf("openToWorld(%q) = %v, %v, want %v", tt.source, got, err, tt.want)
		}
	}
	for _, source := range []string{"", " ", "10.0.0.0/33", "300.0.0.1", "10.0.0.0/", "pl-63a5400a", "1.2.3.4-5", "10.0.0.1-::1", "host/24"} {
		if got, err := openToWorld(source); err == nil {
			t.Errorf("openToWorld(%q) = %v, want an error", source, got)
		}
	}
}

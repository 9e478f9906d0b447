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

package demarc

import (
	"strings"
	"time"
)

// ResourceID is the one canonical id of a resource: an ARN, an ARM id in lower case, a full resource name;
// cluster, namespace, kind and name; what does not exist yet has its plan's address.
// Example: arn:aws:s3:::northwind-logs
type ResourceID string

// Clone returns a copy of id in memory of its own, for who keeps it when the Answer that it is of is gone.
func (id ResourceID) Clone() ResourceID { return ResourceID(strings.Clone(string(id))) }

// ServiceID names an entry of the catalog, such as "aws/rds".
type ServiceID string

// Dialect is the form of a provider-native document.
type Dialect string

// The dialects.
const (
	AWSConfig      Dialect = "awsconfig"
	AWSAPI         Dialect = "awsapi"
	CloudFormation Dialect = "cloudformation"
	ARM            Dialect = "arm"
	CAI            Dialect = "cai"
	Kubernetes     Dialect = "kubernetes"
	OpenStack      Dialect = "openstack"
	VSphere        Dialect = "vsphere"
	Graph          Dialect = "graph"
	Terraform      Dialect = "terraform"
)

// Dialects lists every dialect.
var Dialects = []Dialect{AWSConfig, AWSAPI, CloudFormation, ARM, CAI, Kubernetes, OpenStack, VSphere, Graph, Terraform}

// FoldsKeys reports whether the keys of the dialect's documents compare without case.
func (d Dialect) FoldsKeys() bool { return d == AWSConfig || d == AWSAPI || d == ARM }

// Resource is one thing that runs or stores something, without its configuration: that goes no further than
// its facts.
type Resource struct {
	ID       ResourceID `json:"id"`
	Provider string     `json:"provider"`         // "aws"
	Source   string     `json:"source,omitempty"` // the name of the source, or the input's path
	Account  string     `json:"account"`          // account, subscription, project, cluster or tenant; may be empty
	Region   string     `json:"region"`           // may be empty
	Type     string     `json:"type"`             // native, differs by dialect
	Service  ServiceID  `json:"service"`
	Name     string     `json:"name"`
	Tags     Tags       `json:"tags"`
	Implied  bool       `json:"implied,omitempty"` // named by others, but not delivered itself
	Model    string     `json:"-"`                 // service model of its catalog entry: "paas"
	Captured time.Time  `json:"-"`                 // when the newest document of it was taken; zero if unsaid
	Origins  []Position `json:"-"`                 // where it was read
}

// Position is a place in an input.
type Position struct {
	Input  string // path as given, "-" for standard input
	Offset int64  // bytes from the start of the decoded text; -1 if unknown
	Line   int    // from 1; 0 if unknown
	Column int    // in bytes, from 1; 0 if unknown
}

// Drift is a disagreement between two documents about one fact of one resource.
type Drift struct {
	Resource ResourceID
	Fact     string
	Kept     Value
	Other    Value
	From     Position // where the value came from that was not kept
}

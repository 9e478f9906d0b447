package demarc

// Document is one provider-native document on its way from a source to the inventory: JSON text and what its
// surroundings say about it. Body is valid only during the call that hands it over.
type Document struct {
	Dialect  Dialect
	Form     Form
	Envelope string // awsapi, openstack, vsphere, graph: the member it was found under, "servers[]" or "cluster"; "" for a whole body
	Context  string // graph: the last part of @odata.context; kubernetes: the kind of the List it was in, without "List"
	Summary  bool   // a projection or a list that leaves members out
	More     bool   // it lay in a page that says that another follows
	Body     []byte
	Source   *Source
	Pos      Position
	Sequence int64 // of the document in its input, from 0
}

// Form says what a Document of a dialect with several forms is.
type Form uint8

// The forms. FormResource is one resource in the dialect's own shape.
const (
	FormResource      Form = iota
	FormTemplate           // a whole CloudFormation or ARM template
	FormPlanChange         // an element of resource_changes of a Terraform plan
	FormPlanValues         // a resource of planned_values, in a plan without resource_changes
	FormConfiguration      // the configuration of a Terraform plan
	FormStateValues        // a resource of `terraform show -json` of a state
	FormRawState           // a resource of a raw state of version 4, with its instances
	FormTable              // a row of a Resource Graph result in table form, as an object
	FormJSONString         // the resource is JSON inside a string
	FormError              // an error body: what was asked for could not be read
)

// Source is where documents come from, and what it says about documents that do not say it themselves.
type Source struct {
	Name     string // as the estate names it, or the input's path
	Declared bool   // the estate names it
	Input    string // the file, relative to the input that was given; "-" for standard input
	Provider string
	Account  string
	Region   string
}

// Note tells something about an input that a person must know: nothing read is lost silently.
type Note struct {
	Kind    NoteKind
	Pos     Position
	Message string
}

// NoteKind says what a Note is about.
type NoteKind string

// The kinds of note. Those that Incomplete reports true for make a run incomplete.
const (
	NoteRefused      NoteKind = "refused"      // an input, or a document in it, could not be understood
	NoteDenied       NoteKind = "denied"       // reading was denied
	NoteUnclassified NoteKind = "unclassified" // a type that the catalog does not know
	NoteSkipped      NoteKind = "skipped"      // deleted, a data source, a type that is no resource
	NoteBadValue     NoteKind = "bad value"    // a value that could not be understood
	NoteNotAttached  NoteKind = "not attached" // a part whose parent was not found
	NoteDuplicate    NoteKind = "duplicate"    // one resource twice with different content
	NotePassedOver   NoteKind = "passed over"  // a file of no kind that demarc reads
	NoteAmbiguous    NoteKind = "ambiguous"    // a reference that fits several resources
	NoteEstate       NoteKind = "estate"       // a declaration without effect
	NoteCatalog      NoteKind = "catalog"      // an expression that failed on some facts
	NoteNoTenant     NoteKind = "tenant"       // a body that names no tenant
	NoteStale        NoteKind = "stale"        // a table of the catalog that was read too long ago
	NoteInterrupted  NoteKind = "interrupted"  // the run was told to end before it had come to its end
)

// Incomplete reports whether a note of this kind means that something could not be read.
func (k NoteKind) Incomplete() bool {
	return k == NoteRefused || k == NoteDenied || k == NoteInterrupted
}

// Claim says that a dialect reads a member of API bodies, if what is in it has another member, or whole bodies that
// have a member, if it is a certain text; Has and Text may be empty.
type Claim struct {
	Dialect Dialect
	Has     string
	Text    string
}

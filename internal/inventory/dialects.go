package inventory

import (
	"bytes"
	"cmp"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
)

// refFor returns what a type is: a service of the catalog, or what stands for the unknown; nil for a type that is
// known to be no resource.
func (r *Reader) refFor(doc *demarc.Document, provider, typ string) *rulebook.TypeRef {
	if ref := r.find(doc.Dialect, typ); ref != nil {
		return ref
	}
	if r.inv.book.Ignored(doc.Dialect, typ) {
		r.note(demarc.NoteSkipped, doc.Pos, "type %s is no resource", typ)
		return nil
	}
	r.note(demarc.NoteUnclassified, doc.Pos, "type %s is not in the catalog", typ)
	return r.inv.loose(doc.Dialect, provider, typ)
}

// find returns what the catalog knows a type as, nil for nothing.
func (r *Reader) find(dialect demarc.Dialect, typ string) *rulebook.TypeRef {
	ref := r.types[typeName{dialect, typ}]
	if ref == nil {
		if ref = r.inv.book.Find(dialect, typ); ref != nil && len(r.types) < maxCached {
			r.types[typeName{dialect, strings.Clone(typ)}] = ref
		}
	}
	return ref
}

// awsConfig reads one configuration item.
// Source: https://docs.aws.amazon.com/config/latest/APIReference/API_ConfigurationItem.html, read 2026-11-23.
func (r *Reader) awsConfig(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	body := doc.Body
	if doc.Form == demarc.FormJSONString {
		if body = openJSON(body); body == nil || body[0] != '{' {
			r.note(demarc.NoteRefused, doc.Pos, "expected a configuration item as JSON in a string")
			return
		}
	}
	if !r.scan(plan, c, doc, body) {
		return
	}
	typ := r.name(plan, c, "resourceType")
	if typ == "" {
		r.note(demarc.NoteRefused, doc.Pos, "expected a configuration item with a resourceType")
		return
	}
	status := r.name(plan, c, "configurationItemStatus")
	if strings.Contains(status, "Deleted") || strings.Contains(status, "NotRecorded") {
		r.note(demarc.NoteSkipped, doc.Pos, "%s %s is %s", typ, plan.text(c, "resourceId"), status)
		return
	}
	for _, member := range []string{"configuration", "supplementaryConfiguration"} {
		// The history API and select queries write the configuration as a string of JSON, and each member of the
		// supplementary configuration too.
		node := plan.sections[member]
		raw := c.Get(node.Slot)
		if len(raw) > 2 && raw[0] == '"' {
			inner := openJSON(raw)
			if inner == nil {
				continue
			}
			if err := jscan.Rescan(inner, node, c); err != nil {
				r.refuse(doc, err)
				return
			}
			raw = inner
		}
		if member == "supplementaryConfiguration" {
			jscan.RawMembers(raw, func(key, value []byte) bool {
				child := node.Child(key)
				if child == nil || len(value) < 4 || value[0] != '"' || value[1] != '{' && value[1] != '[' {
					return true
				}
				if inner := openJSON(value); inner != nil {
					below := *child
					below.Slot = -1                  // the member itself stays the string that it is
					_ = jscan.Scan(inner, &below, c) // it is valid: it was opened
				}
				return true
			})
		}
	}
	ref := r.refFor(doc, "aws", typ)
	if ref == nil {
		return
	}
	if plan.learn(ref, c) {
		r.awsConfig(plan, c, doc)
		return
	}
	at := surroundings{account: r.name(plan, c, "accountId"), region: r.name(plan, c, "awsRegion")}
	if at.account == "" {
		at.account = r.name(plan, c, "awsAccountId")
	}
	arn, id := plan.text(c, "arn"), plan.text(c, "resourceId")
	if fromARN := arnParts(arn); fromARN.account != "" && at.account == "" {
		at.account, at.region = fromARN.account, fromARN.region
	}
	rec := r.element(plan, c, doc, ref, at)
	rec.typ = typ
	rec.captured, _ = parseTime(plan.text(c, "configurationItemCaptureTime"))
	if rec.id == "" {
		rec.id = arn
	}
	if rec.id == "" {
		rec.id = strings.Join([]string{rec.account, rec.region, typ, id}, ":")
	}
	if rec.name == "" {
		if rec.name = cmp.Or(plan.text(c, "resourceName"), rec.tags.Get("Name")); rec.name == "" {
			rec.name = id
		}
	}
	rec.aliases = append(rec.aliases, id, plan.text(c, "resourceName"), arn)
	r.add(rec)
}

// arnParts returns the partition, region and account of an ARN.
func arnParts(arn string) surroundings {
	rest, ok := strings.CutPrefix(arn, "arn:")
	if !ok {
		return surroundings{}
	}
	partition, rest, _ := strings.Cut(rest, ":")
	_, rest, _ = strings.Cut(rest, ":") // the service
	region, rest, _ := strings.Cut(rest, ":")
	account, _, ok := strings.Cut(rest, ":")
	if !ok {
		return surroundings{}
	}
	return surroundings{partition: partition, region: region, account: account}
}

// envelope reads an element of an API body: AWS SDK and CLI responses, OpenStack, vSphere and Microsoft Graph.
func (r *Reader) envelope(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	if err := jscan.Valid(doc.Body); err != nil {
		r.refuse(doc, err)
		return
	}
	matched, taken := false, false
	member := doc.Envelope
	if doc.Dialect == demarc.Graph {
		member = doc.Context
	}
	for _, p := range r.inv.book.Envelopes(doc.Dialect, member) {
		if taken && !p.Part { // another service has read the elements as its resources
			continue
		}
		var rest []string
		switch {
		case doc.Dialect == demarc.Graph && len(p.Envelope) > 0 && p.Envelope[0] != doc.Envelope:
			continue
		case doc.Dialect != demarc.Graph && len(p.Envelope) > 0:
			rest = p.Envelope[1:]
		}
		some := r.envelopeElements(plan, c, doc, p, rest)
		matched, taken = matched || some, taken || some && !p.Part
	}
	if !matched {
		what := doc.Envelope
		if doc.Context != "" {
			what = doc.Context
		}
		r.note(demarc.NoteUnclassified, doc.Pos, "no service of the catalog reads %s body %q", doc.Dialect, what)
	}
}

// envelopeElements follows the rest of an envelope and reads each element that has what the type asks for.
func (r *Reader) envelopeElements(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, p *rulebook.Place, rest []string) bool {
	some := false
	var follow func(raw []byte, rest []string)
	follow = func(raw []byte, rest []string) {
		if len(rest) > 0 {
			key, each := strings.CutSuffix(rest[0], "[]")
			v := jscan.Member(raw, key, false)
			if each {
				jscan.Elements(v, func(e []byte) bool {
					follow(e, rest[1:])
					return true
				})
			} else if !jscan.IsNull(v) {
				follow(v, rest[1:])
			}
			return
		}
		if len(raw) == 0 || raw[0] != '{' || !hasWhat(p, raw, plan.fold) {
			return
		}
		some = true
		ref := p.Ref()
		plan.learn(ref, c)
		c.Reset()
		if jscan.Scan(raw, plan.root, c) != nil {
			return // it was valid as a whole
		}
		if rec := r.envelopeRecord(plan, c, doc, ref, raw); rec != nil {
			r.add(rec)
		}
	}
	follow(doc.Body, rest)
	return some
}

// hasWhat reports whether an element has a member that its place asks for.
func hasWhat(p *rulebook.Place, raw []byte, fold bool) bool {
	for member, text := range p.Asks() {
		v := jscan.Member(raw, member, fold)
		if v == nil {
			continue
		}
		if got, ok := textOf(v); text == "" || ok && got == text {
			return true
		}
	}
	return p.Has == ""
}

var zoneName = regexp.MustCompile(`^([a-z]{2}(?:-[a-z]+)+-\d+)(?:[a-z]|-)`)

func (r *Reader) envelopeRecord(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, ref *rulebook.TypeRef, raw []byte) *record {
	summary := doc.Summary
	doc.Summary = summary || ref.Summary
	defer func() { doc.Summary = summary }()
	var at surroundings
	switch doc.Dialect {
	case demarc.AWSAPI:
		if state := plan.text(c, "State.Name"); state == "terminated" || state == "shutting-down" || strings.EqualFold(plan.text(c, "Status"), "deleted") {
			r.note(demarc.NoteSkipped, doc.Pos, "%s is %s", ref.Type, strings.ToLower(state+plan.text(c, "Status")))
			return nil
		}
		at = awsSurroundings(plan, c, doc, ref, raw)
		rec := r.element(plan, c, doc, ref, at)
		if from := arnParts(rec.id); from.account != "" {
			rec.account = from.account
			if from.region != "" {
				rec.region = from.region
			}
		}
		if rec.id == "" && ref.Part == nil {
			own := rec.name // old recordings and lists leave the ARN out
			for _, alias := range rec.aliases {
				own = cmp.Or(own, alias)
			}
			if own == "" {
				r.note(demarc.NoteRefused, doc.Pos, "%s: nothing in the body names it", ref.Type)
				return nil
			}
			rec.id, rec.weak = strings.Join([]string{rec.account, rec.region, ref.Type, own}, ":"), true
			rec.aliases = append(rec.aliases, own)
		}
		return rec
	case demarc.OpenStack, demarc.VSphere:
		return r.cloudRecord(plan, c, doc, ref)
	case demarc.Graph:
		rec := r.element(plan, c, doc, ref, at)
		id := plan.text(c, "id")
		if rec.name == "" {
			rec.name = plan.text(c, "displayName")
		}
		if rec.id == "" {
			rec.id = id
		}
		rec.aliases = append(rec.aliases, id)
		return rec // the tenant comes before the id when it is settled
	default:
		panic("inventory: envelope of dialect " + string(doc.Dialect))
	}
}

// awsSurroundings finds the account and the region of a body: from its owner, an ARN or a zone. Whose call answered counts for
// types whose identity names the account, such as images, which may be another's; those with an alias are there in each account.
func awsSurroundings(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, ref *rulebook.TypeRef, raw []byte) surroundings {
	var at surroundings
	if doc.Source != nil {
		at.account, at.region = doc.Source.Account, doc.Source.Region
	}
	for _, zone := range []string{plan.text(c, "Placement.AvailabilityZone"), plan.text(c, "AvailabilityZone")} {
		if m := zoneName.FindStringSubmatch(zone); m != nil {
			at.region = m[1]
		}
	}
	others := plan.text(c, "ImageOwnerAlias") != "" || at.account != "" && ref.Identity != nil && len(ref.Identity.Account) > 0
	for _, owner := range []string{scalarText(jscan.Member(doc.Body, "OwnerId", true)), plan.text(c, "OwnerId")} {
		if owner != "" && owner != "AWS" && !others { // AWS is no account: what it owns is there in each
			at.account = owner
		}
	}
	for _, text := range [][]byte{raw, doc.Body} {
		for rest := text; at.account == "" || at.region == ""; {
			i := bytes.Index(rest, []byte(`"arn:aws`))
			if i < 0 {
				break
			}
			escaped := i > 0 && rest[i-1] == '\\' // in a policy that is written as text, which names others
			rest = rest[i+1:]
			if escaped {
				continue
			}
			end := bytes.IndexByte(rest, '"')
			if end < 0 {
				break
			}
			from := arnParts(string(rest[:end]))
			if at.account == "" && len(from.account) == 12 {
				at.account, at.partition = from.account, from.partition
			}
			if at.region == "" && from.region != "" {
				at.region = from.region
			}
		}
	}
	return at
}

// cloudName is what a private cloud is called: by its source, or by what it is.
func cloudName(doc *demarc.Document) string {
	if doc.Source != nil && doc.Source.Declared {
		return string(doc.Dialect) + "/" + doc.Source.Name
	}
	return string(doc.Dialect)
}

// cloudRecord reads a body of OpenStack or vSphere: its id is the cloud, the project, the type and the uuid.
func (r *Reader) cloudRecord(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, ref *rulebook.TypeRef) *record {
	cloud := cloudName(doc)
	var at surroundings
	var id string
	if doc.Dialect == demarc.OpenStack {
		if s := plan.text(c, "status"); strings.EqualFold(s, "deleted") || strings.EqualFold(s, "soft_deleted") {
			r.note(demarc.NoteSkipped, doc.Pos, "%s %s is %s", ref.Type, plan.text(c, "id"), s)
			return nil
		}
		for _, member := range []string{"project_id", "tenant_id", "os-vol-tenant-attr:tenant_id", "owner"} {
			if at.account = plan.text(c, member); at.account != "" {
				break
			}
		}
		id = plan.text(c, "id")
	} else {
		for _, member := range []string{"config.instanceUuid", "config.uuid", "self.value", "name"} {
			if id = plan.text(c, member); id != "" {
				break
			}
		}
	}
	rec := r.element(plan, c, doc, ref, at)
	if rec.name == "" {
		rec.name = plan.text(c, "name")
	}
	own := rec.id
	if own == "" {
		own = id
	}
	if own == "" {
		own = rec.name
	}
	if own == "" && ref.Part == nil {
		r.note(demarc.NoteRefused, doc.Pos, "%s: nothing in the body names it", ref.Type)
		return nil
	}
	rec.cloud = cloud
	rec.weak = doc.Dialect == demarc.OpenStack && at.account == "" // a list of names does not tell the project
	parts := []string{cloud}
	if at.account != "" {
		parts = append(parts, at.account)
	}
	rec.id = strings.Join(append(parts, ref.Type, own), "/")
	rec.aliases = append(rec.aliases, own, id, rec.name)
	if doc.Dialect == demarc.VSphere {
		rec.aliases = append(rec.aliases, plan.text(c, "self.value"))
	}
	return rec
}

// arm reads one Azure resource, or a template.
// Source: https://learn.microsoft.com/en-us/azure/azure-resource-manager/templates/syntax, read 2026-11-23.
func (r *Reader) arm(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	if doc.Form == demarc.FormTemplate {
		r.armTemplate(plan, c, doc)
		return
	}
	if !r.scan(plan, c, doc, doc.Body) {
		return
	}
	if plan.raw(c, "properties") == nil && plan.text(c, "resourceGroup") != "" && lifted(doc.Body) {
		// a row of a query has its type in small letters, and hardly a state of its own
		typ := plan.text(c, "type")
		doc.Summary = doc.Summary || plan.text(c, "provisioningState") == "" || typ == strings.ToLower(typ)
		doc.Body = nest(nil, bytes.TrimSpace(doc.Body), 0, 0)
		r.arm(plan, c, doc)
		return
	}
	id, typ := plan.text(c, "id"), plan.text(c, "type")
	if typ == "" {
		typ = armType(id)
	}
	if id == "" && typ == "" {
		r.note(demarc.NoteRefused, doc.Pos, "expected an Azure resource with an id and a type")
		return
	}
	if typ == "" {
		r.note(demarc.NoteRefused, doc.Pos, "expected a type for %q", id)
		return
	}
	if s := plan.text(c, "properties.provisioningState"); strings.EqualFold(s, "Deleting") || strings.EqualFold(s, "Deleted") {
		r.note(demarc.NoteSkipped, doc.Pos, "%s is %s", id, s)
		return
	}
	ref := r.refFor(doc, "azure", typ)
	if ref == nil {
		return
	}
	if plan.learn(ref, c) {
		r.arm(plan, c, doc)
		return
	}
	if jscan.IsNull(plan.raw(c, "properties")) {
		doc.Summary = true // a projection, or a list that leaves the properties out
	}
	rec := r.element(plan, c, doc, ref, armSurroundings(id, plan.text(c, "subscriptionId"), plan.text(c, "location")))
	rec.typ = typ
	if rec.id == "" {
		rec.id = strings.ToLower(strings.TrimSuffix(id, "/"))
	}
	if rec.id == "" {
		rec.id = strings.ToLower(strings.Join([]string{"", "subscriptions", rec.account, "providers", typ, plan.text(c, "name")}, "/"))
		rec.weak = true
	}
	if rec.name == "" {
		if rec.name = plan.text(c, "name"); rec.name == "" {
			rec.name = id[strings.LastIndexByte(id, '/')+1:]
		}
	}
	rec.aliases = append(rec.aliases, rec.id)
	r.add(rec)
}

func armSurroundings(id, subscription, location string) surroundings {
	at := surroundings{account: subscription, region: strings.ToLower(strings.ReplaceAll(location, " ", ""))}
	parts := strings.Split(id, "/")
	if len(parts) > 2 && strings.EqualFold(parts[1], "subscriptions") {
		at.account = strings.ToLower(parts[2])
	}
	return at
}

// armType returns the type that an ARM id speaks of: what follows its last "providers", without the names.
func armType(id string) string {
	parts := strings.Split(strings.Trim(id, "/"), "/")
	at := -1
	for i, p := range parts {
		if strings.EqualFold(p, "providers") {
			at = i
		}
	}
	if at < 0 {
		if len(parts) == 4 && strings.EqualFold(parts[2], "resourceGroups") {
			return "Microsoft.Resources/resourceGroups"
		}
		if len(parts) == 2 && strings.EqualFold(parts[0], "subscriptions") {
			return "Microsoft.Resources/subscriptions"
		}
		return ""
	}
	if at+2 >= len(parts) {
		return ""
	}
	typ := []string{parts[at+1]}
	for i := at + 2; i < len(parts); i += 2 {
		typ = append(typ, parts[i])
	}
	return strings.Join(typ, "/")
}

// cai reads one asset of Cloud Asset Inventory: a resource, or the policies of one, on a line of its own.
// Source: https://cloud.google.com/asset-inventory/docs/reference/rest/v1/TopLevel/exportAssets, read 2026-11-23.
func (r *Reader) cai(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	if !r.scan(plan, c, doc, doc.Body) {
		return
	}
	typ := r.name(plan, c, "assetType")
	if typ == "" {
		typ = r.name(plan, c, "asset_type")
	}
	name := plan.text(c, "name")
	if typ == "" || name == "" {
		r.note(demarc.NoteRefused, doc.Pos, "expected an asset with a name and an assetType")
		return
	}
	if plan.text(c, "deleted") == "true" {
		r.note(demarc.NoteSkipped, doc.Pos, "%s is deleted", name)
		return
	}
	ref := r.refFor(doc, "gcp", typ)
	if ref == nil {
		return
	}
	if plan.learn(ref, c) {
		r.cai(plan, c, doc)
		return
	}
	at := surroundings{region: r.name(plan, c, "resource.location"), account: gcpProject(name)}
	number := ""
	jscan.Elements(plan.raw(c, "ancestors"), func(e []byte) bool {
		number, _ = strings.CutPrefix(scalarText(e), "projects/")
		return false
	})
	if number == "" {
		number = gcpProject("/" + plan.text(c, "ancestry_path") + "/")
	}
	if strings.Contains(number, "/") {
		number = "" // a folder or an organization
	}
	if at.account == "" {
		at.account = number
	}
	if at.account == "" {
		at.account = gcpProject(plan.text(c, "resource.parent"))
	}
	if at.region == "" {
		at.region = gcpLocation(name)
	}
	rec := r.element(plan, c, doc, ref, at)
	rec.typ, rec.projectNumber = typ, number
	if rec.captured, _ = parseTime(plan.text(c, "updateTime")); rec.captured.IsZero() {
		rec.captured, _ = parseTime(plan.text(c, "update_time"))
	}
	if rec.id == "" {
		rec.id = name
	}
	if rec.name == "" {
		rec.name = name[strings.LastIndexByte(name, '/')+1:]
	}
	// Other resources speak of it by its path without the service, or by its own name.
	rec.aliases = append(rec.aliases, name, rec.name, scalarText(plan.raw(c, "resource.data.name")))
	if _, path, ok := strings.Cut(strings.TrimPrefix(name, "//"), "/"); ok {
		rec.aliases = append(rec.aliases, path)
	}
	r.add(rec)
}

func after(text, marker string) string {
	_, rest, ok := strings.Cut(text, marker)
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "/")
	return rest
}

func gcpProject(name string) string {
	if p := after(name, "/projects/"); p != "" {
		return p
	}
	return after(name, "/project/")
}

func gcpLocation(name string) string {
	for _, marker := range []string{"/locations/", "/regions/", "/zones/"} {
		if l := after(name, marker); l != "" {
			return l
		}
	}
	return ""
}

// clusterName is what a cluster is called: by its source, else by the input that it came from.
func clusterName(s *demarc.Source) string {
	switch {
	case s == nil || s.Name == "-":
		return "cluster"
	case s.Account != "":
		return s.Account
	case s.Declared:
		return s.Name
	}
	name := path.Base(filepath.ToSlash(s.Name))
	for ext := path.Ext(name); ext != "" && ext != name; ext = path.Ext(name) {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

// kubernetes reads one API object.
func (r *Reader) kubernetes(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	if !r.scan(plan, c, doc, doc.Body) {
		return
	}
	kind, version := r.name(plan, c, "kind"), r.name(plan, c, "apiVersion")
	typ := ""
	if kind == "" && doc.Context != "" { // items of a list do not repeat it
		typ = doc.Context
		kind = typ[strings.LastIndexByte(typ, '/')+1:]
	}
	name := plan.text(c, "metadata.name")
	if kind == "" || name == "" {
		r.note(demarc.NoteRefused, doc.Pos, "expected a Kubernetes object with a kind and a metadata.name")
		return
	}
	if plan.text(c, "metadata.deletionTimestamp") != "" {
		r.note(demarc.NoteSkipped, doc.Pos, "%s %s is being deleted", kind, name)
		return
	}
	if typ == "" {
		typ = kind
		if group, _, ok := strings.Cut(version, "/"); ok {
			typ = group + "/" + kind
		} else if version == "" {
			typ = r.inv.kinds(kind)
		}
	}
	ref := r.refFor(doc, "kubernetes", typ)
	if ref == nil {
		return
	}
	if plan.learn(ref, c) {
		r.kubernetes(plan, c, doc)
		return
	}
	cluster := clusterName(doc.Source)
	rec := r.element(plan, c, doc, ref, surroundings{account: cluster})
	rec.typ, rec.name, rec.account = typ, name, cluster
	parts := []string{"kubernetes", cluster}
	namespace := r.name(plan, c, "metadata.namespace")
	if namespace != "" {
		parts = append(parts, namespace)
	}
	rec.id = strings.Join(append(parts, r.inv.kindInID(typ), name), "/")
	uid := plan.text(c, "metadata.uid")
	rec.aliases = append(rec.aliases, uid)
	rec.uid = uid
	if doc.Form != demarc.FormResource || doc.Source != nil && strings.HasSuffix(doc.Source.Input, ".yaml") && uid == "" {
		rec.rank = rankTemplate // a manifest, not what runs
	}
	jscan.Elements(plan.raw(c, "metadata.ownerReferences"), func(e []byte) bool {
		if string(jscan.Member(e, "controller", false)) == "true" {
			owner := scalarText(jscan.Member(e, "kind", false))
			if group, _, ok := strings.Cut(scalarText(jscan.Member(e, "apiVersion", false)), "/"); ok {
				owner = r.inv.kindInID(group + "/" + owner)
			}
			rec.owner = strings.Join(append(parts, owner, scalarText(jscan.Member(e, "name", false))), "/")
		}
		return rec.owner == ""
	})
	if kind == "Node" {
		rec.machine = plan.text(c, "spec.providerID")
		rec.roles = r.inv.nodeRoles(plan.text(c, "spec.providerID"), plan.raw(c, "metadata.labels"))
	}
	r.add(rec)
}

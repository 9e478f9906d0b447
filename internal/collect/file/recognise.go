package file

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
)

// sketch is what the beginning of a JSON value looks like: paths such as "value[].id" to a scalar's text, to "{",
// to "[", or to `"{` for a string that holds JSON.
type sketch map[string]string

const (
	sketchDepth  = 4
	sketchKeys   = 2000 // entries
	sketchValues = 400  // bytes of a scalar
	sketchKey    = 200  // bytes of a key
	sketchPeers  = 12   // members of an object below the first level that are looked into
)

// sketchOf looks at text, which may be cut off anywhere.
func sketchOf(text []byte) sketch {
	sk := sketch{}
	sk.look(jscan.DecodeBytes(text), "", 0)
	return sk
}

// look notes what the next value is; false where the text ends or is no JSON.
func (sk sketch) look(d *jscan.Decoder, at string, depth int) bool {
	c, err := d.Kind()
	if err != nil || len(sk) > sketchKeys {
		return false
	}
	switch c {
	case '{', '[':
		sk[at] = string(c)
		if depth >= sketchDepth {
			return d.Skip() == nil
		}
		if d.Enter() != nil {
			return false
		}
		for n := 0; ; n++ {
			more, err := d.Next()
			if err != nil {
				return false
			}
			if !more {
				return true
			}
			if c == '[' {
				if n > 0 {
					if d.Skip() != nil {
						return false
					}
					continue
				}
				if !sk.look(d, at+"[]", depth+1) {
					return false
				}
				continue
			}
			key, err := d.Key()
			if err != nil {
				if len(sk) == 1 {
					sk[""] = "?" // who reads it will find out
				}
				return false
			}
			if len(key) > sketchKey {
				key = strings.ToValidUTF8(key[:sketchKey], "") + "…" // nobody's
			}
			switch {
			case at != "":
				key = at + "." + key
			case key == "":
				key = `""` // the empty key is not the value itself
			}
			if depth > 0 && n > sketchPeers {
				if len(sk) < sketchKeys/2 { // the rest is for what comes further behind
					sk[key] = "?"
				}
				if d.Skip() != nil {
					return false
				}
				continue
			}
			if !sk.look(d, key, depth+1) {
				return false
			}
		}
	default:
		raw, err := d.Value(1 << 20)
		if err != nil {
			sk[at] = "?"
			return false
		}
		if len(raw) >= 2 && raw[0] == '"' {
			if raw = jscan.Unquote(raw[1 : len(raw)-1]); bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
				raw = []byte(`"{`)
			}
		}
		sk[at] = string(raw[:min(len(raw), sketchValues)])
		return true
	}
}

func (sk sketch) has(keys ...string) bool {
	for _, k := range keys {
		if _, ok := sk[k]; !ok {
			return false
		}
	}
	return true
}

func (sk sketch) any(keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return sk.has(k) })
}

// top returns the top-level keys, sorted.
func (sk sketch) top() []string {
	var out []string
	for k := range sk {
		if k != "" && !strings.ContainsAny(k, ".[") {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// continued reports whether a body says that another page follows it.
func (sk sketch) continued() bool {
	for _, key := range []string{"@odata.nextLink", "NextToken", "nextToken", "NextMarker", "Marker"} {
		if v := sk[key]; v != "" && v != "null" {
			return true
		}
	}
	return false
}

// plan is what to do with a top-level object.
type plan struct {
	dialect demarc.Dialect
	form    demarc.Form
	context string
	summary bool
	members map[string]member // how to go through it; nil: the object is one document
	refuse  string            // why it cannot be read
	whole   bool              // it must be held whole, and comments in it are seen through
	nothing bool              // it is understood, and there is nothing in it
	table   bool
	denied  string
	more    bool // the body is a page, and another follows
	sure    bool // nothing that comes further behind makes it another
}

// member is what to do with a member of a top-level object.
type member struct {
	form     demarc.Form
	each     bool // its elements are the documents
	modules  bool // it is a tree of Terraform modules
	prior    bool // what was there before a plan is taken of it
	recorded bool // it is a body that a tool recorded, to be recognised for itself
	quoted   bool // it is such a body in a string, of JSON or YAML
	envelope string
}

// recognise says what a JSON object is by a sketch of it.
func recognise(sk sketch, env Envelopes) plan {
	str := func(k string) string { return sk[k] }
	switch {
	case str("") == "?":
		return plan{members: map[string]member{}}
	case sk.has("status_code", "data") && len(sk.top()) <= 3 && (str("data") == "{" || str("data") == "["):
		return plan{members: map[string]member{"data": {recorded: true}}}
	case str("kind") == "Status" && sk.has("apiVersion", "reason"):
		what := str("details.kind")
		p := plan{denied: fmt.Sprintf("an error body, %s: %s could not be read", str("reason"), cmp.Or(what, "what was asked for"))}
		if what != "" {
			p.dialect, p.form, p.context = demarc.Kubernetes, demarc.FormError, what
		}
		return p
	case sk.has("provider_schemas"):
		return plan{refuse: "a dump of Terraform provider schemas, not a plan or a state"}
	case sk.has("format_version") && sk.any("planned_values", "resource_changes", "values", "configuration", "prior_state", "terraform_version"):
		return plan{dialect: demarc.Terraform, sure: true, members: map[string]member{
			"resource_changes": {form: demarc.FormPlanChange, each: true},
			"planned_values":   {form: demarc.FormPlanValues, modules: true},
			"values":           {form: demarc.FormStateValues, modules: true},
			"configuration":    {form: demarc.FormConfiguration},
		}}
	case sk.has("version") && sk.any("terraform_version", "lineage", "serial") && !sk.has("apiVersion"):
		if v := str("version"); v != "4" {
			return plan{refuse: fmt.Sprintf("a Terraform state of version %s; demarc reads version 4, as Terraform 0.12 and later write it", v)}
		}
		return plan{dialect: demarc.Terraform, members: map[string]member{"resources": {form: demarc.FormRawState, each: true}}}
	case sk.any("configurationItems", "configurationItem", "configurationItemDiff"):
		return plan{dialect: demarc.AWSConfig, sure: sk.has("fileVersion"), members: map[string]member{"configurationItems": {each: true}, "configurationItem": {}}}
	case sk.any("baseConfigurationItems", "BaseConfigurationItems", "ConfigurationItem.resourceType"):
		return plan{dialect: demarc.AWSConfig, members: map[string]member{
			"baseConfigurationItems": {each: true}, "BaseConfigurationItems": {each: true}, "ConfigurationItem": {},
		}}
	case str("invokingEvent") == `"{`:
		return plan{dialect: demarc.AWSConfig, members: map[string]member{"invokingEvent": {quoted: true}}}
	case sk.has("detail-type", "detail.configurationItem"): // an event
		return plan{members: map[string]member{"detail": {recorded: true}}}
	case str("Message") == `"{` && sk.has("TopicArn"): // a notification
		return plan{members: map[string]member{"Message": {quoted: true}}}
	case sk.has("TemplateBody", "StagesAvailable") && str("TemplateBody") == "{":
		return plan{members: map[string]member{"TemplateBody": {recorded: true}}}
	case sk.has("TemplateBody", "StagesAvailable"):
		return plan{members: map[string]member{"TemplateBody": {quoted: true}}}
	case sk.has("resourceType") && sk.any("configuration", "configurationItemStatus", "awsAccountId", "configurationItemCaptureTime", "supplementaryConfiguration"):
		return plan{dialect: demarc.AWSConfig}
	case str("Results[]") == `"{`:
		return plan{dialect: demarc.AWSConfig, summary: true, members: map[string]member{"Results": {form: demarc.FormJSONString, each: true}}}
	case sk.has("TypeName") && sk.has("ResourceDescription"):
		return plan{dialect: demarc.CloudFormation}
	case sk.has("TypeName") && sk.has("ResourceDescriptions"):
		return plan{dialect: demarc.CloudFormation, context: str("TypeName"), members: map[string]member{"ResourceDescriptions": {each: true}}}
	case sk.has("AWSTemplateFormatVersion"), str("Resources") == "{" && hasTyped(sk, "Resources"):
		return plan{dialect: demarc.CloudFormation, form: demarc.FormTemplate, whole: true}
	case strings.Contains(strings.ToLower(str("$schema")), "deploymentparameters"):
		return plan{refuse: "parameters of an ARM template, not the template"}
	case strings.Contains(strings.ToLower(str("$schema")), "deploymenttemplate"), sk.has("contentVersion", "resources"):
		return plan{dialect: demarc.ARM, form: demarc.FormTemplate, whole: true}
	case sk.has("apiVersion", "kind"):
		kind := str("kind")
		if str("items") == "[" && strings.HasSuffix(kind, "List") {
			context := strings.TrimSuffix(kind, "List")
			if group, _, ok := strings.Cut(str("apiVersion"), "/"); ok && context != "" {
				context = group + "/" + context
			}
			return plan{dialect: demarc.Kubernetes, context: context, members: map[string]member{"items": {each: true}}}
		}
		return plan{dialect: demarc.Kubernetes}
	case sk.has("apiVersion") && str("items") == "[" && sk.any("items[].kind", "items[].metadata"):
		// kubectl writes the kind behind the items, further than a sketch sees
		return plan{dialect: demarc.Kubernetes, members: map[string]member{"items": {each: true}}}
	case sk.has("@odata.context"):
		context, selected := odataContext(str("@odata.context"))
		if str("value") == "[" {
			return plan{dialect: demarc.Graph, context: context, summary: selected, members: map[string]member{"value": {each: true, envelope: "value[]"}}, more: sk.continued()}
		}
		return plan{dialect: demarc.Graph, context: context, summary: selected}
	case sk.has("name") && sk.any("assetType", "asset_type"):
		return plan{dialect: demarc.CAI}
	case sk.any("assets[].assetType", "assets[].asset_type"):
		return plan{dialect: demarc.CAI, members: map[string]member{"assets": {each: true}}}
	case sk.any("results[].assetType"):
		return plan{dialect: demarc.CAI, summary: true, members: map[string]member{"results": {each: true}}}
	case str("data") == "{" && str("data.columns") == "[" || str("data.rows") == "[":
		return plan{dialect: demarc.ARM, form: demarc.FormTable, table: true, members: map[string]member{"data": {form: demarc.FormTable}}}
	case str("data") == "[" && sk.any("count", "totalRecords", "total_records", "resultTruncated", "skip_token"):
		if !sk.has("data[]") {
			return plan{nothing: true}
		}
		if !sk.any("data[].id", "data[].type") {
			return plan{refuse: "a Resource Graph result without ids or types: a summary, not an inventory"}
		}
		return plan{dialect: demarc.ARM, members: map[string]member{"data": {each: true}}}
	case strings.HasPrefix(str("value[].id"), "/"), str("value") == "[" && isARMType(str("value[].type")):
		return plan{dialect: demarc.ARM, members: map[string]member{"value": {each: true}}}
	case isARMID(str("id")), isARMType(str("type")) && sk.any("location", "properties", "name"):
		return plan{dialect: demarc.ARM}
	}
	if kind := str("kind"); strings.Contains(kind, "#") {
		return plan{refuse: fmt.Sprintf("a Google API response of kind %s; %s", kind, exportOfGoogle)}
	}
	if why := printed(sk); why != "" {
		return plan{refuse: why}
	}
	for _, at := range []string{"value[].", ""} {
		if context := graphContext(sk, at); context != "" && (at == "" || str("value") == "[") {
			if at == "" {
				return plan{dialect: demarc.Graph, context: context}
			}
			return plan{dialect: demarc.Graph, context: context, members: map[string]member{"value": {each: true, envelope: "value[]"}}, more: sk.continued()}
		}
	}
	if d := wholeOf(sk, env, true); d != "" { // what a resource is made of may be called like a list of others
		return plan{dialect: d}
	}
	if d := claimant(sk, env); d != "" {
		return plan{dialect: d, members: claimed(sk, env, d), more: sk.continued()}
	}
	if d := wholeOf(sk, env, false); d != "" {
		return plan{dialect: d}
	}
	switch {
	case sk.has("error") && sk.any("error.code", "error.message"), sk.has("Error") && sk.any("Error.Code"):
		return errorBody(str("error.code")+str("Error.Code"), str("error.message")+str("Error.Message"))
	case len(sk.top()) == 0:
		return plan{refuse: "an empty object"}
	}
	keys := sk.top()
	shown := strings.Join(keys[:min(len(keys), 6)], ", ")
	return plan{refuse: fmt.Sprintf("no document that demarc knows: its members are %s; expected an inventory, an API body, a template, a plan or a state", shown)}
}

const exportOfGoogle = "demarc reads Cloud Asset Inventory exports: gcloud asset export --content-type=resource"

// printed says why what a client prints is refused: it is no body of the API, and nobody reads it. Empty for anything else.
func printed(sk sketch) string {
	switch {
	case strings.Contains(sk["selfLink"], ".googleapis.com/"), strings.HasPrefix(sk["name"], "projects/"), strings.HasPrefix(sk["storage_url"], "gs://"):
		return "what gcloud prints of a resource; " + exportOfGoogle
	case strings.HasPrefix(strings.ToLower(sk["Id"]), "/subscriptions/"):
		return "what Azure PowerShell prints; give what the Azure CLI prints, such as az vm list, or a result of Azure Resource Graph"
	case sk.has("cloudName", "tenantId", "isDefault"):
		return "a list of subscriptions; demarc reads what is in them: az graph query, or lists of the Azure CLI"
	case sk.has("ID") && sk.any("Name", "Project", "Status"), sk.any("OS-EXT-STS:vm_state", "os-vol-tenant-attr:tenant_id"):
		return "what the openstack client prints; demarc reads bodies of the API, such as that of GET /servers/detail"
	case sk.any("VirtualMachines[].Self", "HostSystems[].Self", "Datastores[].Self"):
		return "what an old govc prints; a newer one writes names in small letters, and those are read"
	case sk.has("elements[].Object"), sk.has("elements[].Path"):
		return "a list of paths by govc; give what govc vm.info -json, host.info -json and datastore.info -json print"
	}
	return ""
}

// graphContext names the collection of Microsoft Graph whose members a body has that does not name it itself, as SDKs and
// the Azure CLI print it. at leads to a member.
func graphContext(sk sketch, at string) string {
	switch {
	case sk.has(at+"id", at+"verifiedDomains"):
		return "organization"
	case sk.has(at+"id", at+"grantControls"):
		return "policies"
	case sk.has(at+"id", at+"userPrincipalName"):
		return "users"
	case sk.has(at+"id", at+"securityEnabled", at+"mailEnabled"):
		return "groups"
	case sk.has(at+"id", at+"appId", at+"servicePrincipalType"):
		return "servicePrincipals"
	case sk.has(at+"id", at+"appId", at+"signInAudience"):
		return "applications"
	}
	return ""
}

var (
	notAuthorized   = regexp.MustCompile(`not authorized to perform:? ([a-zA-Z0-9-]+:[A-Za-z0-9]+)`)
	noAuthorization = regexp.MustCompile(`to perform action '([^']+)/read'`)
)

// errorBody says what an error body says could not be read. AWS and Azure name it in the message.
func errorBody(code, message string) plan {
	p := plan{form: demarc.FormError}
	if m := notAuthorized.FindStringSubmatch(message); m != nil {
		p.dialect, p.context = demarc.AWSAPI, m[1]
	} else if m := noAuthorization.FindStringSubmatch(message); m != nil {
		p.dialect, p.context = demarc.ARM, m[1]
	} else {
		return plan{denied: fmt.Sprintf("an error body, %s: what was asked for could not be read", code)}
	}
	p.denied = fmt.Sprintf("an error body, %s: %s could not be read", code, p.context)
	return p
}

// wholeOf returns the dialect that reads a body as one resource: because of a member that it has, and if it is strict
// because of its text too where one is asked for.
func wholeOf(sk sketch, env Envelopes, strict bool) demarc.Dialect {
	for _, key := range sk.top() {
		for _, c := range env.Whole(key) {
			if !strict || c.Text == "" && sk[key] != "null" || c.Text != "" && c.Text == sk[key] {
				return c.Dialect
			}
		}
	}
	return ""
}

// claimant returns the dialect that reads a body: the first whose claim on a member is borne out by what is in it, else
// the first with a claim.
func claimant(sk sketch, env Envelopes) demarc.Dialect {
	var first demarc.Dialect
	for _, key := range sk.top() {
		if sk[key] != "[" && sk[key] != "{" {
			continue
		}
		for _, c := range env.Member(key) {
			if c.Has == "" || sk.any(key+"[]."+c.Has, key+"."+c.Has) {
				return c.Dialect
			}
			if first == "" {
				first = c.Dialect
			}
		}
	}
	return first
}

// claimed are the members of a body that a dialect reads: one call may answer with several.
func claimed(sk sketch, env Envelopes, d demarc.Dialect) map[string]member {
	members := map[string]member{}
	for _, key := range sk.top() {
		if !slices.ContainsFunc(env.Member(key), func(c demarc.Claim) bool { return c.Dialect == d }) {
			continue
		}
		switch sk[key] {
		case "[":
			members[key] = member{each: true, envelope: key + "[]"}
		case "{":
			members[key] = member{envelope: key}
		}
	}
	return members
}

// hasTyped reports whether a member of an object has a Type with colons: a resource of CloudFormation.
func hasTyped(sk sketch, object string) bool {
	for k, v := range sk {
		if rest, ok := strings.CutPrefix(k, object+"."); ok && strings.HasSuffix(rest, ".Type") && strings.Contains(v, "::") {
			return true
		}
	}
	return false
}

func isARMID(id string) bool {
	low := strings.ToLower(id)
	return strings.HasPrefix(low, "/subscriptions/") || strings.HasPrefix(low, "/providers/microsoft.")
}

func isARMType(t string) bool {
	namespace, _, ok := strings.Cut(t, "/")
	return ok && strings.HasPrefix(strings.ToLower(namespace), "microsoft.")
}

// odataContext returns the last part of what @odata.context names, such as "conditionalAccessPolicies" of
// "https://graph.microsoft.com/v1.0/$metadata#policies/conditionalAccessPolicies/$entity". selected reports whether
// some members alone were asked for, as in "users(id,displayName)"; what is expanded, as in "groups(members())", is whole.
func odataContext(url string) (context string, selected bool) {
	_, set, ok := strings.Cut(url, "$metadata#")
	if !ok {
		return "", false
	}
	set = strings.TrimSuffix(set, "/$entity")
	depth, from := 0, 0
	for i := range len(set) {
		switch set[i] {
		case '(':
			depth++
			if depth == 1 {
				context, from = set[:i], i+1
			}
		case ')', ',', '/':
			if item := strings.TrimSpace(set[from:i]); depth == 1 && set[i] != '/' && item != "" && item != "*" && item[0] != '\'' && !strings.HasSuffix(item, ")") {
				selected = true
			}
			switch {
			case set[i] == ')':
				depth--
			case depth == 1 && set[i] == ',':
				from = i + 1
			case depth == 0 && set[i] == '/':
				return odataContext("$metadata#" + set[i+1:])
			}
		}
	}
	if context == "" {
		context = set
	}
	return context, selected
}

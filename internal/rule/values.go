package rule

import (
	"errors"
	"fmt"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/demarc/demarc"
)

// celValue returns v, which is declared as f, as CEL sees it. What is unknown inside a record is unk, the unknown of
// the fact that the record lies in.
func celValue(v demarc.Value, f *Field, rt *recordType, unk *types.Unknown) ref.Val {
	if v.Type() != f.Type {
		return types.NewErr("fact %q is %s, and declared as %s", f.Name, v.Type(), f.Type)
	}
	switch f.Type {
	case demarc.TypeBool:
		return types.Bool(v.AsBool())
	case demarc.TypeInt:
		return types.Int(v.AsInt())
	case demarc.TypeNumber:
		return types.Double(v.AsNumber())
	case demarc.TypeString:
		return types.String(v.AsString())
	case demarc.TypeTime:
		return types.Timestamp{Time: v.AsTime()}
	case demarc.TypeDocument:
		return document{text: v.AsString()}
	case demarc.TypeStrings, demarc.TypeInts, demarc.TypeRecords:
		return celList(v, f, rt, unk)
	default:
		return types.NewErr("fact %q has no type", f.Name)
	}
}

// celList returns the elements of a list that are known.
func celList(v demarc.Value, f *Field, rt *recordType, unk *types.Unknown) ref.Val {
	elements := make([]ref.Val, 0, len(v.Elements()))
	for _, e := range v.Elements() {
		switch {
		case e.IsZero():
		case f.Type == demarc.TypeStrings && e.Type() == demarc.TypeString:
			elements = append(elements, types.String(e.AsString()))
		case f.Type == demarc.TypeInts && e.Type() == demarc.TypeInt:
			elements = append(elements, types.Int(e.AsInt()))
		case f.Type == demarc.TypeRecords && e.Type() == demarc.TypeRecords:
			elements = append(elements, &record{value: e, typ: rt, unknown: unk})
		default:
			return types.NewErr("fact %q of type %s has an element of type %s", f.Name, f.Type, e.Type())
		}
	}
	return types.NewRefValList(types.DefaultTypeAdapter, elements)
}

// demarcValue returns a result of CEL as a value of type want.
func demarcValue(v ref.Val, want demarc.Type) (demarc.Value, error) {
	switch v := v.(type) {
	case types.Bool:
		if want == demarc.TypeBool {
			return demarc.Bool(bool(v)), nil
		}
	case types.Int:
		if want == demarc.TypeInt {
			return demarc.Int(int64(v)), nil
		}
	case types.Double:
		if want == demarc.TypeNumber {
			return demarc.Number(float64(v)), nil
		}
	case types.String:
		if want == demarc.TypeString {
			return demarc.String(string(v)), nil
		}
	case types.Timestamp:
		if want == demarc.TypeTime {
			return demarc.Time(v.Time), nil
		}
	case document:
		if want == demarc.TypeDocument {
			return demarc.JSON(v.text), nil
		}
	case *record:
		if want == demarc.TypeRecords {
			return v.value, nil
		}
	case traits.Lister:
		return demarcList(v, want)
	}
	return demarc.Value{}, fmt.Errorf("the result is %s, want %s", v.Type().TypeName(), want)
}

func demarcList(list traits.Lister, want demarc.Type) (demarc.Value, error) {
	element := want.Element()
	if want == demarc.TypeRecords {
		element = demarc.TypeRecords
	}
	var elements []demarc.Value
	for it := list.Iterator(); it.HasNext() == types.True; {
		e, err := demarcValue(it.Next(), element)
		if err != nil {
			return demarc.Value{}, err
		}
		elements = append(elements, e)
	}
	return demarc.List(want, elements...), nil
}

// opaque is what documents and records have in common as CEL values: they convert to nothing and compare with
// nothing.
type opaque struct{}

var errOpaque = errors.New("not a plain value")

func (opaque) ConvertToNative(reflect.Type) (any, error) { return nil, errOpaque }
func (opaque) ConvertToType(ref.Type) ref.Val            { return types.WrapErr(errOpaque) }
func (opaque) Equal(ref.Val) ref.Val                     { return types.WrapErr(errOpaque) }

// document is a TypeDocument.
type document struct {
	opaque
	text string
}

func (document) Type() ref.Type { return documentType }
func (d document) Value() any   { return d }

// record is one element of a TypeRecords. Its fields are converted when they are read.
type record struct {
	opaque
	value   demarc.Value
	typ     *recordType
	unknown *types.Unknown
}

func (r *record) Type() ref.Type { return r.typ.cel }
func (r *record) Value() any     { return r }

// recordType is the CEL type of the records of one list.
type recordType struct {
	cel    *types.Type
	fields map[string]*types.FieldType
	names  []string
}

// recordTypes gives CEL the types of records.
type recordTypes struct {
	types.Provider
	types map[string]*recordType // by CEL name
}

// recordName is that of the type of the records of list path, as messages show it.
func recordName(path string) string { return "record of " + path }

// declare returns the CEL type of a fact, and declares the types of the records in it.
func (t *recordTypes) declare(f Field) *cel.Type { return t.declareAt(f.Name, f) }

func (t *recordTypes) declareAt(path string, f Field) *cel.Type {
	if f.Type != demarc.TypeRecords {
		return celTypes[f.Type]
	}
	name := recordName(path)
	if rt, ok := t.types[name]; ok {
		return cel.ListType(rt.cel)
	}
	rt := &recordType{cel: cel.ObjectType(name), fields: make(map[string]*types.FieldType)}
	t.types[name] = rt
	for _, x := range f.Fields {
		typ := t.declareAt(path+"."+x.Name, x)
		inner := t.types[recordName(path+"."+x.Name)] // nil unless x holds records
		add := func(suffix string, typ *cel.Type, value func(v demarc.Value, r *record) ref.Val) {
			rt.names = append(rt.names, x.Name+suffix)
			rt.fields[x.Name+suffix] = &types.FieldType{
				Type:  typ,
				IsSet: func(any) bool { return true },
				GetFrom: func(target any) (any, error) {
					r, ok := target.(*record)
					if !ok {
						return nil, fmt.Errorf("%T is no record", target)
					}
					return value(r.value.Field(x.Name), r), nil
				},
			}
		}
		add("", typ, func(v demarc.Value, r *record) ref.Val {
			if v.IsZero() || v.Partial() {
				return r.unknown
			}
			return celValue(v, &x, inner, r.unknown)
		})
		if isList(x.Type) {
			add(knownSuffix, typ, func(v demarc.Value, r *record) ref.Val {
				if v.IsZero() {
					return r.unknown
				}
				return celValue(v, &x, inner, r.unknown)
			})
			add(openSuffix, cel.BoolType, func(v demarc.Value, r *record) ref.Val {
				if v.IsZero() || v.Partial() {
					return r.unknown
				}
				return types.False
			})
		}
	}
	return cel.ListType(rt.cel)
}

func (t *recordTypes) FindStructType(name string) (*types.Type, bool) {
	if rt, ok := t.types[name]; ok {
		return types.NewTypeTypeWithParam(rt.cel), true
	}
	return t.Provider.FindStructType(name)
}

func (t *recordTypes) FindStructFieldNames(name string) ([]string, bool) {
	if rt, ok := t.types[name]; ok {
		return rt.names, true
	}
	return t.Provider.FindStructFieldNames(name)
}

func (t *recordTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if rt, ok := t.types[name]; ok {
		ft, ok := rt.fields[field]
		return ft, ok
	}
	return t.Provider.FindStructFieldType(name, field)
}

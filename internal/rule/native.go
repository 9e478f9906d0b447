package rule

import (
	"math/bits"
	"slices"
	"sync"
	"time"

	celast "cel.dev/cel-go/common/ast"

	"github.com/demarc/demarc"
)

// Atoms are mostly comparisons, exists and all over lists, and questions of policies. What CEL makes of those is said here
// once more as Go functions, which take a tenth of the time and hardly any memory. Whatever they do not cover, or cannot
// answer clearly, is left to CEL: an atom that nothing here can be made of has none, and one that comes to Failed is
// evaluated by CEL, which also says why.

// frame is one evaluation.
type frame struct {
	facts    []demarc.Fact // of the atom
	asOf     time.Time
	elements [MaxLoops]*demarc.Value // of the loops around, the outermost first
	lists    []demarc.Value          // a stack of the lists that are being made
	steps    int                     // elements that were looked at, and what policies take beside them
	missing  uint64                  // the facts that made unknown what is unknown: bit i for facts[i]
}

// maxNativeSteps is where CEL takes over, which counts what each step costs.
const maxNativeSteps = 200_000

// costs counts what it takes to look at so many bytes, and reports whether that is too much.
func (f *frame) costs(bytes int) bool {
	f.steps += bytes / 100
	return f.steps > maxNativeSteps
}

// empty is what an atom comes to that asks for the first element of a list without one, as errNothing is to CEL: what is
// unknown goes before it.
const empty = Failed + 1

// unknown says that something is unknown because of a fact.
func (f *frame) unknown(fact int) Truth {
	if fact >= 64 {
		return Failed
	}
	f.missing |= 1 << fact
	return Unknown
}

type (
	// condition comes to a truth. What is True or False leaves frame.missing as it was.
	condition func(*frame) Truth
	// scalar comes to a value: True with it where it is known, Unknown, or Failed.
	scalar[T any] func(*frame) (T, Truth)
	// located comes to where a value of a fact lies: nil with Unknown or Failed.
	located = scalar[*demarc.Value]
	// listing puts the elements of a list on the stack of lists: all where it comes to True.
	listing func(*frame) Truth
)

// typed is what a value is declared as, and the fact that it is of or lies in.
type typed struct {
	Field
	fact int
}

// nativeCompiler makes the functions of one atom. Each of its methods returns nil for what it does not cover.
type nativeCompiler struct {
	atom  *Atom
	loops []loop
}

// loop is a variable of a loop, and what its elements are.
type loop struct {
	name    string
	element typed
}

// makeNative returns an atom as a function; nil if it is not covered.
func (a *Atom) makeNative(e celast.Expr) scalar[demarc.Value] {
	if len(a.fields) == 0 {
		return nil
	}
	n := nativeCompiler{atom: a}
	switch a.want {
	case demarc.TypeBool, demarc.TypeString, demarc.TypeInt:
		return n.value(e, a.want)
	case demarc.TypeStrings, demarc.TypeInts:
		list, of := n.listing(e)
		if list == nil || of.Type != a.want.Element() {
			return nil
		}
		return func(f *frame) (demarc.Value, Truth) {
			mark := len(f.lists)
			t := list(f)
			if t != True {
				return demarc.Value{}, t
			}
			return demarc.List(a.want, slices.Clone(f.lists[mark:])...), True
		}
	default:
		return nil
	}
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// evalNative is what the atom comes to: Failed where CEL has to say.
func (a *Atom) evalNative(facts []demarc.Fact, asOf time.Time) (Result, Truth) {
	f := frames.Get().(*frame)
	f.facts, f.asOf = facts, asOf
	v, t := a.native(f)
	out := Result{Value: v}
	switch t {
	case empty:
		out.Missing = a.lists()
	case Unknown:
		out.Missing = a.named(f.missing)
	default:
	}
	*f = frame{lists: f.lists[:0]}
	if clear(f.lists[:cap(f.lists)]); cap(f.lists) > maxKeptLists {
		f.lists = nil
	}
	frames.Put(f)
	return out, t
}

const maxKeptLists = 256 // elements

// named returns the names of the facts in a mask. They must not be changed.
func (a *Atom) named(mask uint64) []string {
	if mask == 0 {
		return nil
	}
	if from := bits.TrailingZeros64(mask); mask>>from == 1<<bits.OnesCount64(mask)-1 { // those between two
		return a.names[from : from+bits.OnesCount64(mask) : from+bits.OnesCount64(mask)]
	}
	var names []string
	for i, name := range a.names {
		if mask&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

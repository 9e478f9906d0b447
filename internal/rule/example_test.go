package rule_test

import (
	"fmt"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

func Example() {
	env, err := rule.NewEnv("aws/rds", []rule.Field{
		{Name: "auto_minor_upgrade", Type: demarc.TypeBool},
		{Name: "engine", Type: demarc.TypeString},
	}, nil)
	if err != nil {
		panic(err)
	}
	p, err := env.Compile(rule.Source{
		File: "rds.yaml", Line: 7, Column: 11,
		Text: `facts.engine == 'mysql' && facts.auto_minor_upgrade == false`,
	}, demarc.TypeBool)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Facts())

	off := demarc.Fact{Value: demarc.Bool(false), Origin: demarc.Read}
	unknown := demarc.Fact{Origin: demarc.NotCarried}
	for _, engine := range []demarc.Fact{{Value: demarc.String("mysql")}, {Value: demarc.String("postgres")}} {
		fmt.Println(p.Eval([]demarc.Fact{off, engine}, time.Now()).Value, p.Eval([]demarc.Fact{unknown, engine}, time.Now()).Value)
	}

	_, err = env.Compile(rule.Source{File: "rds.yaml", Line: 8, Column: 11, Text: `facts.auto_minor_upgrades`}, demarc.TypeBool)
	fmt.Println(err)
	// Output:
	// [auto_minor_upgrade engine]
	// true unknown
	// false false
	// rds.yaml:8:17: unknown fact "auto_minor_upgrades", did you mean "auto_minor_upgrade"?
	//     facts.auto_minor_upgrades
	//           ^
}

package parquet_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	reader "github.com/parquet-go/parquet-go"

	"github.com/demarc/demarc/internal/report/parquet"
)

func each[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, row := range list {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// same holds that what is read back from Parquet makes the same lines of JSON as the rows themselves.
func same[T any](t *testing.T, rows []T) {
	t.Helper()
	var file, want, got bytes.Buffer
	if err := errors.Join(parquet.Write(&file, each(rows)), parquet.WriteLines(&want, each(rows))); err != nil {
		t.Fatal(err)
	}
	back, err := reader.Read[T](bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteLines(&got, each(back)); err != nil {
		t.Fatal(err)
	}
	if len(back) != len(rows) || got.String() != want.String() {
		t.Errorf("%d rows, want %d\n%.2000s\nwant\n%.2000s", len(back), len(rows), got.String(), want.String())
	}
}

func TestReadingBack(t *testing.T) {
	var duties []parquet.Duty
	for i := range 10_001 { // more than are written at once
		duties = append(duties, parquet.Duty{
			Resource: fmt.Sprintf("arn:aws:s3:::%05d", i), Provider: "aws", Account: fmt.Sprint(i % 7), Name: []string{"", "Grüße", "a\"b\n", "\u2028"}[i%4], Tags: map[string]string{},
			Duty: "network.exposure", Holder: "customer", Assumed: i%3 == 0, Basis: "archetype:bucket,line:public",
		})
		if i%2 == 0 {
			duties[i].Tags = map[string]string{"team": "shop", "": "no key", "empty": ""}
		}
	}
	same(t, duties)
	same(t, duties[:1])
	same(t, []parquet.Duty{})
	at := time.Date(2026, 11, 29, 12, 0, 0, 123456000, time.UTC)
	same(t, []parquet.Move{{Resource: "a", From: "provider", To: "customer", Setting: "public: false → true", CatalogChanged: true, Scan: 1 << 40, At: at}, {Resource: "b", At: at}})
	same(t, []parquet.Finding{{Resource: "a", Stale: true, FirstSeen: at, LastSeen: at, Resolved: parquet.Instant(at.UnixMicro())}, {Resource: "b", FirstSeen: at, LastSeen: at}})
}

// A finding that is open has no time at which it was resolved, for other readers too.
func TestOpenIsNull(t *testing.T) {
	var file bytes.Buffer
	if err := parquet.Write(&file, each([]parquet.Finding{{Resource: "a", Resolved: 7}, {Resource: "b"}})); err != nil {
		t.Fatal(err)
	}
	rows, err := reader.Read[struct {
		Resolved *int64 `parquet:"resolved,optional"`
	}](bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil || len(rows) != 2 || rows[0].Resolved == nil || *rows[0].Resolved != 7 || rows[1].Resolved != nil {
		t.Errorf("%+v, %v", rows, err)
	}
}

// An answer that cannot be read ends the file with its error: it is not cut short and called whole.
func TestBrokenRows(t *testing.T) {
	broken := errors.New("the store is gone")
	for _, write := range []func(*bytes.Buffer, iter.Seq2[parquet.Move, error]) error{
		func(b *bytes.Buffer, rows iter.Seq2[parquet.Move, error]) error { return parquet.Write(b, rows) },
		func(b *bytes.Buffer, rows iter.Seq2[parquet.Move, error]) error { return parquet.WriteLines(b, rows) },
	} {
		err := write(&bytes.Buffer{}, func(yield func(parquet.Move, error) bool) {
			_ = yield(parquet.Move{Resource: "a"}, nil) && yield(parquet.Move{}, broken)
		})
		if !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
	}
}

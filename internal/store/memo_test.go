package store

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// However many ask for the same at the same time, it is made once.
func TestMemoMakesOnce(t *testing.T) {
	m := memo[string, int]{most: 2}
	var group sync.WaitGroup
	made := 0
	begun, goOn := make(chan struct{}), make(chan struct{})
	ask := func() {
		if v, err := m.get(t.Context(), "a", func() (int, error) {
			made++
			close(begun)
			<-goOn
			return 7, nil
		}); v != 7 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	}
	group.Go(ask)
	<-begun
	for range 10 {
		group.Go(ask)
	}
	close(goOn)
	group.Wait()
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}

// What failed for one is made by the next; who waited for it does not fail with it.
func TestMemoAfterAMistake(t *testing.T) {
	m := memo[string, int]{most: 2}
	begun, fail := make(chan struct{}), make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		_, err := m.get(t.Context(), "a", func() (int, error) {
			close(begun)
			<-fail
			return 0, context.Canceled
		})
		failed <- err
	}()
	<-begun
	got := make(chan int, 1)
	go func() {
		v, err := m.get(t.Context(), "a", func() (int, error) { return 8, nil })
		if err != nil {
			t.Error(err)
		}
		got <- v
	}()
	close(fail)
	if v, err := <-got, <-failed; v != 8 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", v, err)
	}
}

// Of more than there is room for, what was asked for last stays.
func TestMemoForgets(t *testing.T) {
	m := memo[int, int]{most: 2}
	get := func(k int) {
		if _, err := m.get(t.Context(), k, func() (int, error) { return k, nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []int{1, 2, 1, 3} {
		get(k)
	}
	for k, want := range map[int]bool{1: true, 2: false, 3: true} {
		if _, ok := m.has(k); ok != want {
			t.Errorf("%d is there: %v", k, ok)
		}
	}
	m.forget(func(k int) bool { return k == 1 })
	if _, ok := m.has(1); ok || len(m.all()) != 1 {
		t.Errorf("%v after 1 was forgotten", m.all())
	}
}

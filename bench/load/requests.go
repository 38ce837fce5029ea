package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A connection's first requests pay for its handshakes, and for what a proxy does once per connection.
const warmUpRequests = 3

// One connection: the one after the other, each asked when the one before was answered.
type asker struct {
	client *http.Client
	name   string // of the object that belongs to this connection
	sent   int
	buffer bytes.Buffer
}

type ask func(*asker) error

type requestsDone struct {
	Requests int     `json:"requests"` // answered within Seconds
	All      int     `json:"all"`      // answered at all
	Seconds  float64 `json:"seconds"`
}

// newGets reads one object a connection.
func newGets(given order) (func() (any, error), error) {
	return newAskers(given, func(one *asker) error {
		return one.ask(given, http.MethodGet, nil, `"name":"`+one.name+`"`)
	})
}

// newPatches writes one object a connection, so that none is in the other's way.
func newPatches(given order) (func() (any, error), error) {
	begun := strconv.FormatInt(time.Now().UnixNano(), 36)
	return newAskers(given, func(one *asker) error {
		written := fmt.Sprintf(`"written":"%s-%d"`, begun, one.sent)
		return one.ask(given, http.MethodPatch, []byte(`{"data":{`+written+`}}`), written)
	})
}

func (one *asker) ask(given order, method string, body []byte, expected string) error {
	one.sent++
	if err := do(one.client, given, method, "/"+one.name, body, &one.buffer); err != nil {
		return err
	}
	if !bytes.Contains(one.buffer.Bytes(), []byte(expected)) {
		return fmt.Errorf("%s %s: the answer has no %s", method, one.name, expected)
	}
	return nil
}

func newAskers(given order, ask ask) (func() (any, error), error) {
	askers := make([]*asker, given.Connections)
	for i := range askers {
		client, err := newClient(given)
		if err != nil {
			return nil, err
		}
		askers[i] = &asker{client: client, name: fmt.Sprintf("bench-%d", i)}
	}
	err := each(askers, func(one *asker) error {
		for n := 0; n < warmUpRequests; n++ {
			if err := ask(one); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if given.Count > 0 {
		return func() (any, error) { return untilCount(given, askers, ask) }, nil
	}
	return func() (any, error) { return untilOver(given, askers, ask) }, nil
}

// untilOver asks for a time.
func untilOver(given order, askers []*asker, ask ask) (any, error) {
	var lock sync.Mutex
	total := 0
	end := time.Now().Add(time.Duration(given.Seconds * float64(time.Second)))
	err := each(askers, func(one *asker) error {
		for count := 0; ; count++ {
			if err := ask(one); err != nil {
				return err
			}
			if time.Now().After(end) {
				lock.Lock()
				defer lock.Unlock()
				total += count
				return nil
			}
		}
	})
	// Each connection had one request under way when the time was over.
	return requestsDone{Requests: total, All: total + len(askers), Seconds: given.Seconds}, err
}

// untilCount asks so many times in all.
func untilCount(given order, askers []*asker, ask ask) (any, error) {
	started := time.Now()
	err := each(askers, func(one *asker) error {
		for n := 0; n < given.Count/len(askers); n++ {
			if err := ask(one); err != nil {
				return err
			}
		}
		return nil
	})
	done := given.Count / len(askers) * len(askers)
	return requestsDone{Requests: done, All: done, Seconds: time.Since(started).Seconds()}, err
}

// each works on all of them at once; the first error counts.
func each(askers []*asker, work func(*asker) error) error {
	errs := make(chan error, len(askers))
	for _, one := range askers {
		go func(one *asker) { errs <- work(one) }(one)
	}
	var first error
	for range askers {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

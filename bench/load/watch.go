package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"sync"
	"time"
)

const (
	writers   = 4 // each with an object of its own: one alone would have to answer every 5 ms
	longestIn = 15 * time.Second
)

type watchDone struct {
	Events  int     `json:"events"`
	Rate    float64 `json:"rate"` // of events that was reached
	P50     float64 `json:"p50"`  // seconds that an event came later than directly
	P90     float64 `json:"p90"`
	P99     float64 `json:"p99"`
	Longest float64 `json:"longest"`
}

// When an event was seen, by resourceVersion.
type seen struct {
	lock sync.Mutex
	at   map[string]time.Time
	err  error
}

// newWatch watches a collection through the way and directly at once, and writes to it directly. That an event came
// later on one of two connections of one process, by one clock, is what the way added.
func newWatch(given order) (func() (any, error), error) {
	direct := given
	direct.Proxy, direct.CA, direct.HTTP2 = "", given.DirectCA, false
	var through, beside seen
	if err := through.watch(given); err != nil {
		return nil, err
	}
	if err := beside.watch(direct); err != nil {
		return nil, err
	}
	clients := make([]*http.Client, writers)
	for i := range clients {
		client, err := newClient(direct)
		if err != nil {
			return nil, err
		}
		clients[i] = client
		if _, err := write(client, direct, i, "warm"); err != nil {
			return nil, err
		}
	}
	return func() (any, error) {
		started := time.Now()
		written, err := writeAll(clients, direct)
		if err != nil {
			return nil, err
		}
		took := time.Since(started).Seconds()
		delays, err := compare(&through, &beside, written)
		if err != nil {
			return nil, err
		}
		quantile := func(share float64) float64 { return delays[int(share*float64(len(delays)-1))].Seconds() }
		return watchDone{
			Events: len(delays), Rate: float64(len(delays)) / took,
			P50: quantile(.5), P90: quantile(.9), P99: quantile(.99), Longest: quantile(1),
		}, nil
	}, nil
}

// watch begins, and goes on beside.
func (all *seen) watch(given order) error {
	all.at = map[string]time.Time{}
	client, err := newClient(given)
	if err != nil {
		return err
	}
	request, err := newRequest(context.Background(), given, http.MethodGet, "?watch=1", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if err := asExpected(response, given); err != nil {
		return err
	}
	go func() {
		events := bufio.NewReaderSize(response.Body, 1<<16)
		for {
			line, err := events.ReadBytes('\n')
			now := time.Now()
			version := ""
			if err == nil {
				version, err = resourceVersion(line)
			}
			all.lock.Lock()
			all.at[version] = now
			all.err = err
			all.lock.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return nil
}

func resourceVersion(line []byte) (string, error) {
	var event struct {
		Type   string
		Object struct {
			Metadata struct{ ResourceVersion string }
		}
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return "", err
	}
	if event.Type == "ERROR" {
		return "", fmt.Errorf("the watch was told: %s", line)
	}
	return event.Object.Metadata.ResourceVersion, nil
}

// writeAll writes at the rate that was asked for; the resourceVersions that came of it.
func writeAll(clients []*http.Client, given order) ([]string, error) {
	count := int(given.Rate * given.Seconds)
	versions := make([]string, count)
	errs := make(chan error, len(clients))
	started := time.Now()
	for i, client := range clients {
		go func(i int, client *http.Client) {
			for n := i; n < count; n += len(clients) {
				time.Sleep(time.Until(started.Add(time.Duration(float64(n) / given.Rate * float64(time.Second)))))
				version, err := write(client, given, i, fmt.Sprintf("%d-%d", started.UnixNano(), n))
				if err != nil {
					errs <- err
					return
				}
				versions[n] = version
			}
			errs <- nil
		}(i, client)
	}
	var first error
	for range clients {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return versions, first
}

func write(client *http.Client, given order, object int, text string) (string, error) {
	var buffer bytes.Buffer
	body := []byte(`{"data":{"written":"` + text + `"}}`)
	if err := do(client, given, http.MethodPatch, fmt.Sprintf("/bench-%d", object), body, &buffer); err != nil {
		return "", err
	}
	return resourceVersion([]byte(`{"object":` + buffer.String() + `}`))
}

// compare waits until every event has come both ways: how much later each came through the way, sorted.
func compare(through, beside *seen, versions []string) ([]time.Duration, error) {
	deadline := time.Now().Add(longestIn)
	delays := make([]time.Duration, 0, len(versions))
	for _, version := range versions {
		here, err := through.when(version, deadline)
		if err != nil {
			return nil, err
		}
		there, err := beside.when(version, deadline)
		if err != nil {
			return nil, err
		}
		delays = append(delays, here.Sub(there))
	}
	sort.Slice(delays, func(i, j int) bool { return delays[i] < delays[j] })
	return delays, nil
}

func (all *seen) when(version string, deadline time.Time) (time.Time, error) {
	for {
		all.lock.Lock()
		at, found := all.at[version]
		err := all.err
		all.lock.Unlock()
		if found {
			return at, nil
		}
		if err != nil {
			return at, err
		}
		if time.Now().After(deadline) {
			return at, fmt.Errorf("the event with resourceVersion %s did not come", version)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

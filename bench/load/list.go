package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

type listDone struct {
	First float64 `json:"first"` // seconds until the first byte of the body
	Total float64 `json:"total"` // seconds until its last
	Wire  int     `json:"wire"`  // bytes of the body as they came
	Bytes int64   `json:"bytes"` // unpacked
}

// newList reads a collection whole and compressed, as client-go does without a limit.
func newList(given order) (func() (any, error), error) {
	client, err := newClient(given)
	if err != nil {
		return nil, err
	}
	var buffer bytes.Buffer
	// For the handshakes.
	if err := do(client, given, http.MethodGet, "?limit=1", nil, &buffer); err != nil {
		return nil, err
	}
	return func() (any, error) { return list(client, given, &buffer) }, nil
}

func list(client *http.Client, given order, buffer *bytes.Buffer) (listDone, error) {
	until, cancel := context.WithTimeout(context.Background(), longestRequest)
	defer cancel()
	request, err := newRequest(until, given, http.MethodGet, "", nil)
	if err != nil {
		return listDone{}, err
	}
	request.Header.Set("Accept-Encoding", "gzip")
	started := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return listDone{}, err
	}
	defer response.Body.Close()
	buffer.Reset()
	if _, err := io.CopyN(buffer, response.Body, 1); err != nil {
		return listDone{}, err
	}
	first := time.Since(started)
	if _, err := io.Copy(buffer, response.Body); err != nil {
		return listDone{}, err
	}
	total := time.Since(started)
	if err := asExpected(response, given); err != nil {
		return listDone{}, err
	}
	if response.Header.Get("Content-Encoding") != "gzip" {
		return listDone{}, fmt.Errorf("the list came uncompressed")
	}
	wire := buffer.Len()
	unpacked, err := unpack(buffer, given.Count)
	return listDone{First: first.Seconds(), Total: total.Seconds(), Wire: wire, Bytes: unpacked}, err
}

// unpack says how long the list is, and fails if it has fewer items.
func unpack(packed io.Reader, items int) (int64, error) {
	reader, err := gzip.NewReader(packed)
	if err != nil {
		return 0, err
	}
	var length int64
	seen := 0
	marker := []byte(`"uid":"`)
	part := make([]byte, 0, 1<<20)
	for {
		n, err := reader.Read(part[len(part):cap(part)])
		length += int64(n)
		part = part[:len(part)+n]
		seen += bytes.Count(part, marker)
		// What may be the beginning of one more stays; a whole one was counted.
		kept := min(len(part), len(marker)-1)
		part = append(part[:0], part[len(part)-kept:]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	// The controllers put one more into every namespace.
	if seen < items {
		return 0, fmt.Errorf("the list has only %d items of %d", seen, items)
	}
	return length, nil
}

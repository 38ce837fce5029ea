// Load asks for one URL over keep-alive HTTP/1.1 connections as fast as the answers come.
//
// It is a program of its own, and not Python, so that the proxies and not the client set the pace.
// The order is JSON on standard input, because it holds a token and a password; the result is JSON on standard output.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

const warmUpRequests = 20 // a connection's first requests pay for its handshakes

type order struct {
	URL         string  `json:"url"`
	Proxy       string  `json:"proxy"` // "" for none; may hold user and password
	CA          string  `json:"ca"`    // PEM
	Token       string  `json:"token"`
	Connections int     `json:"connections"`
	Seconds     float64 `json:"seconds"`
}

type result struct {
	Requests int     `json:"requests"` // answered within Seconds
	All      int     `json:"all"`      // answered at all, warm-up included
	Seconds  float64 `json:"seconds"`
}

func main() {
	log.SetFlags(0)
	var given order
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		log.Fatal(err)
	}
	found, err := run(given)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}

func run(given order) (result, error) {
	clients := make([]*http.Client, given.Connections)
	for i := range clients {
		client, err := newClient(given)
		if err != nil {
			return result{}, err
		}
		clients[i] = client
	}
	counts := make([]int, len(clients))
	errs := make([]error, len(clients))
	var started time.Time
	var warm, done sync.WaitGroup
	begin := make(chan struct{})
	warm.Add(len(clients))
	done.Add(len(clients))
	for i := range clients {
		go func(i int) {
			defer done.Done()
			for n := 0; n < warmUpRequests && errs[i] == nil; n++ {
				errs[i] = get(clients[i], given)
			}
			warm.Done()
			<-begin
			end := started.Add(time.Duration(given.Seconds * float64(time.Second)))
			for errs[i] == nil {
				errs[i] = get(clients[i], given)
				if time.Now().After(end) {
					return
				}
				counts[i]++
			}
		}(i)
	}
	warm.Wait()
	started = time.Now()
	close(begin)
	done.Wait()
	total := 0
	for i, count := range counts {
		if errs[i] != nil {
			return result{}, errs[i]
		}
		total += count
	}
	// Each connection had one request under way when the time was over.
	all := total + len(clients)*(warmUpRequests+1)
	return result{Requests: total, All: all, Seconds: given.Seconds}, nil
}

// newClient makes a client that keeps exactly one connection.
func newClient(given order) (*http.Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(given.CA)) {
		return nil, fmt.Errorf("no CA")
	}
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{RootCAs: roots, NextProtos: []string{"http/1.1"}},
		TLSNextProto:       map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
		MaxConnsPerHost:    1,
		DisableCompression: true,
	}
	if given.Proxy != "" {
		proxy, err := url.Parse(given.Proxy)
		if err != nil {
			return nil, fmt.Errorf("the proxy's URL cannot be read") // the error would quote its password
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}, nil
}

func get(client *http.Client, given order) error {
	request, err := http.NewRequest(http.MethodGet, given.URL, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Authorization", "Bearer "+given.Token)
	request.Header.Set("User-Agent", "mitmkube-bench")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", given.URL, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

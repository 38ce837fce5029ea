package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const longestRequest = 60 * time.Second

// newClient makes a client that keeps exactly one connection, through the proxy if there is one.
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
	if given.HTTP2 {
		transport.TLSClientConfig.NextProtos = nil
		transport.TLSNextProto = nil
		transport.ForceAttemptHTTP2 = true
	}
	if given.Proxy != "" {
		proxy, err := url.Parse(given.Proxy)
		if err != nil {
			return nil, fmt.Errorf("the proxy's URL cannot be read") // the error would quote its password
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	return &http.Client{Transport: transport}, nil
}

// newRequest is a request as a Go client of the API sends it.
func newRequest(until context.Context, given order, method, path string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(until, method, given.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Authorization", "Bearer "+given.Token)
	request.Header.Set("User-Agent", "mitmkube-bench")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	} else if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// do asks and reads the whole answer into buffer. It fails on anything but success over the protocol that was asked for.
func do(client *http.Client, given order, method, path string, body []byte, buffer *bytes.Buffer) error {
	until, cancel := context.WithTimeout(context.Background(), longestRequest)
	defer cancel()
	request, err := newRequest(until, given, method, path, body)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	buffer.Reset()
	if _, err := io.Copy(buffer, response.Body); err != nil {
		return err
	}
	if err := asExpected(response, given); err != nil {
		said := buffer.String()
		return fmt.Errorf("%s %s: %w: %s", method, path, err, said[:min(len(said), 300)])
	}
	return nil
}

func asExpected(response *http.Response, given order) error {
	major := 1
	if given.HTTP2 {
		major = 2
	}
	if response.ProtoMajor != major {
		return fmt.Errorf("%s and not HTTP/%d", response.Proto, major)
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s", strings.TrimSpace(response.Status))
	}
	return nil
}

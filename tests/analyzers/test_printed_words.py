# ruff: noqa: E501
"""What a client printed reads the same as text that somebody pasted, whatever the reader makes of it first."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from analyzers.explain import explain
from analyzers.readers import terminal, wire_text
from analyzers.readers.source import Source

# From the sources of Go (crypto/tls, crypto/x509, net, net/http), client-go, kubectl, the kubelet, helm and terraform, from
# botocore, and from what users of other clients have posted; what could be recorded is under rules/.
WORDS: list[tuple[str, str | None]] = [
    # tls alerts
    *[
        (f"Unable to connect to the server: remote error: tls: {a}", "auth-client-certificate-alert")
        for a in (
            "bad certificate",
            "unsupported certificate",
            "expired certificate",
            "revoked certificate",
            "unknown certificate",
            "unknown certificate authority",
            "access denied",
            "certificate required",
        )
    ],
    *[
        (f"Unable to connect to the server: remote error: tls: {a}", "network-tls-failed")
        for a in (
            "handshake failure",
            "protocol version not supported",
            "unrecognized name",
            "no application protocol",
            "internal error",
        )
    ],
    ("Unable to connect to the server: tls: server selected unsupported protocol version 301", "network-tls-failed"),
    (
        "Unable to connect to the server: x509: certificate signed by unknown authority",
        "auth-server-certificate-untrusted",
    ),
    (
        'Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" while trying to verify candidate authority certificate "kubernetes")',
        "auth-server-certificate-untrusted",
    ),
    (
        "Unable to connect to the server: x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
        "auth-server-certificate-name",
    ),
    (
        "Unable to connect to the server: x509: certificate relies on legacy Common Name field, use SANs instead",
        "auth-server-certificate-name",
    ),
    (
        "Unable to connect to the server: x509: certificate is not valid for any names, but wanted to match foo.example.com",
        "auth-server-certificate-name",
    ),
    (
        "Unable to connect to the server: x509: certificate is valid for 10.96.0.1, 192.168.1.10, not 203.0.113.7",
        "auth-server-certificate-name",
    ),
    (
        "Unable to connect to the server: x509: certificate has expired or is not yet valid: current time 2023-01-01T00:00:00Z is before 2023-05-01T00:00:00Z",
        "auth-server-certificate-expired",
    ),
    (
        "Unable to connect to the server: tls: failed to verify certificate: x509: “kube-apiserver” certificate is not trusted",
        "auth-server-certificate-untrusted",
    ),
    (
        "Unable to connect to the server: tls: failed to verify certificate: x509: “kube-apiserver” certificate is expired",
        "auth-server-certificate-expired",
    ),
    (
        "Unable to connect to the server: x509: certificate specifies an incompatible key usage",
        "auth-server-certificate-untrusted",
    ),
    (
        'E0523 10:00:00.000000       1 reflector.go:150] k8s.io/client-go/informers/factory.go:160: Failed to watch *v1.Pod: failed to list *v1.Pod: Get "https://10.96.0.1:443/api/v1/pods?limit=500&resourceVersion=0": x509: certificate is valid for 10.0.0.1, not 10.96.0.1',
        "auth-server-certificate-name",
    ),
    (
        'E0523 10:00:00.000000       1 reflector.go:150] failed to list *v1.Pod: Get "https://10.96.0.1:443/api/v1/pods?limit=500&resourceVersion=0": dial tcp 10.96.0.1:443: i/o timeout',
        "network-dial-timeout",
    ),
    (
        "2024/05/23 10:00:00 http: TLS handshake error from 10.0.0.5:51234: remote error: tls: bad certificate",
        "auth-server-certificate-untrusted",
    ),
    ("I0523 10:00:00.000000 1 log.go:195] http: TLS handshake error from 10.0.0.5:51234: EOF", None),
    # dial
    ("Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: no route to host", "network-unreachable"),
    ("Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: network is unreachable", "network-unreachable"),
    ("Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: connection timed out", "network-dial-timeout"),
    (
        "Unable to connect to the server: dial tcp 10.0.0.1:6443: connectex: A connection attempt failed because the connected party did not properly respond after a period of time, or established connection failed because connected host has failed to respond.",
        "network-dial-timeout",
    ),
    (
        "Unable to connect to the server: dial tcp 127.0.0.1:6443: connectex: No connection could be made because the target machine actively refused it.",
        "network-refused",
    ),
    (
        "Unable to connect to the server: dial tcp [::1]:6443: connectex: No connection could be made because the target machine actively refused it.",
        "network-refused",
    ),
    (
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
        "auth-no-kubeconfig",
    ),
    (
        "The connection to the server 192.168.49.2:8443 was refused - did you specify the right host or port?",
        "network-refused",
    ),
    ("Unable to connect to the server: net/http: TLS handshake timeout", "network-tls-timeout"),
    (
        "Unable to connect to the server: net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
        "network-dial-timeout",
    ),
    (
        "Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        "health-no-answer",
    ),
    ("Unable to connect to the server: EOF", "network-connection-lost"),
    ("Unable to connect to the server: unexpected EOF", "network-connection-lost"),
    ("error: read tcp 10.0.0.5:51234->10.0.0.1:6443: read: connection reset by peer", "network-connection-lost"),
    ("Unable to connect to the server: http2: client connection lost", "network-connection-lost"),
    (
        'error: http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=""',
        "network-connection-lost",
    ),
    (
        'error: Get "https://10.0.0.1:6443/api/v1/pods": dial tcp 10.0.0.1:6443: connect: connection refused - error from a previous attempt: read tcp 10.0.0.5:1->10.0.0.1:6443: read: connection reset by peer',
        "network-refused",
    ),
    (
        'error: Get "https://10.0.0.1:6443/api/v1/pods": http2: client connection lost - error from a previous attempt: unexpected EOF',
        "network-connection-lost",
    ),
    ("Unable to connect to the server: http: server gave HTTP response to HTTPS client", "network-not-tls"),
    ("Unable to connect to the server: tls: first record does not look like a TLS handshake", "network-not-tls"),
    (
        'Unable to connect to the server: net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\x15\\x03\\x01\\x00\\x02\\x02"',
        "network-not-tls",
    ),
    (
        "Unable to connect to the server: dial tcp: lookup foo.example.com on 127.0.0.53:53: server misbehaving",
        "network-dns",
    ),
    (
        "Unable to connect to the server: dial tcp: lookup foo.example.com on 10.0.0.2:53: read udp 10.0.0.5:4321->10.0.0.2:53: i/o timeout",
        "network-dns",
    ),
    (
        "Unable to connect to the server: dial tcp: lookup foo.example.com on 127.0.0.11:53: read udp 127.0.0.1:4321->127.0.0.11:53: read: connection refused",
        "network-dns",
    ),
    (
        "Unable to connect to the server: dial tcp: lookup foo.example.com: Temporary failure in name resolution",
        "network-dns",
    ),
    ("Unable to connect to the server: dial tcp: lookup foo.example.com: no such host", "network-dns"),
    # proxy
    *[
        (f"Unable to connect to the server: {s}", "network-proxy-refused")
        for s in (
            "Bad Gateway",
            "Proxy Authentication Required",
            "Forbidden",
            "Service Unavailable",
            "Gateway Timeout",
            "Method Not Allowed",
        )
    ],
    (
        "Unable to connect to the server: proxyconnect tcp: dial tcp 10.0.0.8:3128: connect: connection refused",
        "network-proxy-refused",
    ),
    (
        "Unable to connect to the server: proxyconnect tcp: dial tcp: lookup proxy.corp on 10.0.0.53:53: no such host",
        "network-proxy-refused",
    ),
    (
        "Unable to connect to the server: proxyconnect tcp: tls: first record does not look like a TLS handshake",
        "network-proxy-refused",
    ),
    (
        "Unable to connect to the server: proxyconnect tcp: x509: certificate signed by unknown authority",
        "network-proxy-refused",
    ),
    (
        "Unable to connect to the server: socks connect tcp 127.0.0.1:1080->10.0.0.1:6443: dial tcp 127.0.0.1:1080: connect: connection refused",
        "network-proxy-refused",
    ),
    # streams
    (
        "error: unable to decode an event from the watch stream: http2: client connection lost",
        "network-connection-lost",
    ),
    (
        'W0523 10:00:00.000000 1 reflector.go:470] watch of *v1.Pod ended with: an error on the server ("unable to decode an event from the watch stream: http2: client connection lost") has prevented the request from succeeding',
        "network-connection-lost",
    ),
    ("error: unable to decode an event from the watch stream: context canceled", None),
    (
        "error: unexpected error when reading response body. Please retry. Original error: unexpected EOF",
        "network-connection-lost",
    ),
    (
        "error: stream error when reading response body, may be caused by closed connection. Please retry. Original error: stream error: stream ID 15; INTERNAL_ERROR; received from peer",
        "network-connection-lost",
    ),
    ("E0523 10:00:00.000000 1 portforward.go:489] lost connection to pod", "network-connection-lost"),
    ("error: lost connection to pod", "network-connection-lost"),
    ("error: unable to upgrade connection: Upgrade request required", "network-upgrade-stripped"),
    ('error: unable to upgrade connection: container not found ("web")', "request-exec-target"),
    ("error: unable to upgrade connection: pod does not exist", "request-exec-target"),
    (
        "error: unable to upgrade connection: you must specify at least 1 of stdin, stdout, stderr",
        "request-exec-target",
    ),
    (
        'error: unable to upgrade connection: pods "web" is forbidden: User "jane" cannot create resource "pods/exec" in API group "" in the namespace "prod"',
        "rbac-denied",
    ),
    (
        "error: unable to upgrade connection: Forbidden (user=kube-apiserver-kubelet-client, verb=create, resource=nodes, subresource=proxy)",
        "rbac-kubelet-forbidden",
    ),
    (
        "error: unable to upgrade connection: error dialing backend: dial tcp 10.0.1.7:10250: i/o timeout",
        "health-kubelet",
    ),
    ("error: unable to upgrade connection: Unauthorized", "auth-unauthorized"),
    ("error: error upgrading connection: unable to upgrade connection: pod does not exist", "request-exec-target"),
    (
        'error: Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "f00": OCI runtime exec failed: exec failed: unable to start container process: exec: "bash": executable file not found in $PATH: unknown',
        "request-exec-target",
    ),
    (
        'OCI runtime exec failed: exec failed: unable to start container process: exec: "bash": executable file not found in $PATH: unknown\ncommand terminated with exit code 126',
        "request-exec-target",
    ),
    (
        "error: Internal error occurred: error executing command in container: container is not created or running",
        "request-exec-target",
    ),
    ("command terminated with exit code 1", None),
    ("error: cannot exec into a container in a completed pod; current phase is Succeeded", "request-exec-target"),
    ("error: unable to forward port because pod is not running. Current status=Pending", "request-exec-target"),
    (
        'E0523 10:00:00.000000 12 portforward.go:400] an error occurred forwarding 8080 -> 80: error forwarding port 80 to pod 0a1b, uid : failed to execute portforward in network namespace "/var/run/netns/cni-x": failed to connect to localhost:80 inside namespace "0a1b", IPv4: dial tcp4 127.0.0.1:80: connect: connection refused IPv6 dial tcp6: address localhost: no suitable address found',
        "health-port-forward",
    ),
    (
        "E0523 10:00:00.000000 12 portforward.go:400] an error occurred forwarding 8080 -> 80: error forwarding port 80 to pod 0a1b, uid : unable to do port forwarding: socat not found",
        "health-port-forward",
    ),
    (
        "Unable to listen on port 8080: Listeners failed to create with the following errors: [unable to create listener: Error listen tcp4 127.0.0.1:8080: bind: address already in use]",
        "request-local-port",
    ),
    # openapi
    (
        'error: error validating "web.yaml": error validating data: failed to download openapi: Get "https://10.0.0.1:6443/openapi/v2?timeout=32s": dial tcp 10.0.0.1:6443: connect: connection refused; if you choose to ignore these errors, turn validation off with --validate=false',
        "network-refused",
    ),
    (
        'error: error validating "web.yaml": error validating data: failed to download openapi: Get "http://localhost:8080/openapi/v2?timeout=32s": dial tcp [::1]:8080: connect: connection refused; if you choose to ignore these errors, turn validation off with --validate=false',
        "auth-no-kubeconfig",
    ),
    (
        'error: error validating "web.yaml": error validating data: failed to download openapi: Get "https://10.0.0.1:6443/openapi/v2?timeout=32s": x509: certificate signed by unknown authority; if you choose to ignore these errors, turn validation off with --validate=false',
        "auth-server-certificate-untrusted",
    ),
    (
        'error validating "web.yaml": error validating data: the server has asked for the client to provide credentials; if you choose to ignore these errors, turn validation off with --validate=false',
        "auth-unauthorized",
    ),
    (
        'error: error validating "web.yaml": error validating data: [ValidationError(Deployment.spec): unknown field "replica" in io.k8s.api.apps.v1.DeploymentSpec, ValidationError(Deployment.spec): missing required field "selector" in io.k8s.api.apps.v1.DeploymentSpec]; if you choose to ignore these errors, turn validation off with --validate=false',
        "request-manifest-invalid",
    ),
    (
        'Error: INSTALLATION FAILED: unable to build kubernetes objects from release manifest: error validating "": error validating data: ValidationError(Ingress.spec): unknown field "serviceName" in io.k8s.api.networking.v1.IngressSpec',
        "request-manifest-invalid",
    ),
    (
        'Error: INSTALLATION FAILED: unable to build kubernetes objects from release manifest: resource mapping not found for name: "web" namespace: "" from "": no matches for kind "ServiceMonitor" in version "monitoring.coreos.com/v1"\nensure CRDs are installed first',
        "request-type-unknown",
    ),
    (
        "Error: YAML parse error on web/templates/deployment.yaml: error converting YAML to JSON: yaml: line 33: did not find expected key",
        "request-manifest-unreadable",
    ),
    (
        'unable to recognize "web.yaml": no matches for kind "Deployment" in version "extensions/v1beta1"',
        "request-type-unknown",
    ),
    (
        'unable to recognize "web.yaml": Get "https://10.0.0.1:6443/api?timeout=32s": dial tcp 10.0.0.1:6443: i/o timeout',
        "network-dial-timeout",
    ),
    ("error: unable to decode \"web.yaml\": Object 'Kind' is missing in '{\"a\":1}'", "request-manifest-unreadable"),
    # throttling, waiting
    ("Error: client rate limiter Wait returned an error: context deadline exceeded", "request-client-throttled"),
    (
        'error: Get "https://10.0.0.1:6443/api/v1/pods": client rate limiter Wait returned an error: rate: Wait(n=1) would exceed context deadline',
        "request-client-throttled",
    ),
    (
        "I0523 10:00:00.000000 1 request.go:697] Waited for 1.197653834s due to client-side throttling, not priority and fairness, request: GET:https://10.0.0.1:6443/apis/apps/v1?timeout=32s",
        "request-client-throttled",
    ),
    ("error: timed out waiting for the condition", "request-wait-timeout"),
    ("Error: INSTALLATION FAILED: failed pre-install: timed out waiting for the condition", "request-wait-timeout"),
    ("Error: UPGRADE FAILED: timed out waiting for the condition", "request-wait-timeout"),
    ("Error: INSTALLATION FAILED: context deadline exceeded", "request-wait-timeout"),
    ('error: deployment "web" exceeded its progress deadline', "request-wait-timeout"),
    # helm, terraform
    ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", "conflict-helm-operation"),
    ("Error: INSTALLATION FAILED: cannot re-use a name that is still in use", "conflict-helm-exists"),
    (
        'Error: INSTALLATION FAILED: Unable to continue with install: Service "web" in namespace "prod" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm"',
        "conflict-helm-exists",
    ),
    ('Error: UPGRADE FAILED: "web" has no deployed releases', "request-helm-release"),
    ("Error: uninstall: Release not loaded: web: release: not found", "request-helm-release"),
    (
        'Error: Kubernetes cluster unreachable: Get "https://10.0.0.1:6443/version": dial tcp 10.0.0.1:6443: i/o timeout',
        "network-dial-timeout",
    ),
    (
        'Error: Kubernetes cluster unreachable: Get "http://localhost:8080/version": dial tcp 127.0.0.1:8080: connect: connection refused',
        "auth-no-kubeconfig",
    ),
    (
        "Error: Kubernetes cluster unreachable: the server has asked for the client to provide credentials",
        "auth-unauthorized",
    ),
    (
        "Error: Kubernetes cluster unreachable: invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable",
        "auth-no-kubeconfig",
    ),
    ("Error: Kubernetes cluster unreachable", "auth-no-kubeconfig"),
    (
        'Error: INSTALLATION FAILED: Kubernetes cluster unreachable: exec plugin: invalid apiVersion "client.authentication.k8s.io/v1alpha1"',
        "auth-plugin-answer",
    ),
    (
        'Error: Get "http://localhost/api/v1/namespaces/prod": dial tcp 127.0.0.1:80: connect: connection refused',
        "auth-no-kubeconfig",
    ),
    (
        "│ Error: Error acquiring the state lock\n│ \n│ Error message: the state is already locked by another terraform client\n│ Lock Info:\n│   ID:        0a1b2c3d-1111-2222-3333-444455556666",
        "conflict-terraform-lock",
    ),
    # controllers
    (
        'E0523 10:00:00.000000       1 leaderelection.go:369] Failed to update lock: Put "https://10.96.0.1:443/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x": context deadline exceeded',
        "health-no-answer",
    ),
    (
        'E0523 10:00:00.000000       1 leaderelection.go:330] error retrieving resource lock kube-system/x: leases.coordination.k8s.io "x" is forbidden: User "system:serviceaccount:kube-system:x" cannot get resource "leases" in API group "coordination.k8s.io" in the namespace "kube-system"',
        "rbac-denied",
    ),
    (
        'E0523 10:00:00.000000       1 leaderelection.go:330] error retrieving resource lock kube-system/x: Get "https://10.96.0.1:443/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x": dial tcp 10.96.0.1:443: connect: connection refused',
        "network-refused",
    ),
    (
        "I0523 10:00:00.000000       1 leaderelection.go:285] failed to renew lease kube-system/x: timed out waiting for the condition",
        "health-leader-election",
    ),
    (
        'E0523 10:00:00.000000       1 leaderelection.go:308] "Failed to renew lease" lock="kube-system/x" err="context deadline exceeded"',
        "health-leader-election",
    ),
    (
        '2024-05-23T10:00:00Z\tERROR\tsetup\tproblem running manager\t{"error": "leader election lost"}',
        "health-leader-election",
    ),
    ("F0523 10:00:00.000000       1 controllermanager.go:300] leaderelection lost", "health-leader-election"),
    (
        "panic: unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined",
        "auth-in-cluster",
    ),
    ("kubernetes.config.config_exception.ConfigException: Service host/port is not set.", "auth-in-cluster"),
    (
        "kubernetes.config.config_exception.ConfigException: Invalid kube-config file. No configuration found.",
        "auth-no-kubeconfig",
    ),
    ("panic: open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory", "auth-in-cluster"),
    # auth
    ("Please enter Username: ", "auth-user-name-asked"),
    ("error: EOF", "auth-user-name-asked"),
    ("Unable to connect to the server: getting credentials: exec: exit status 1", "auth-plugin-failed"),
    (
        "Unable to connect to the server: getting credentials: exec: executable kubelogin failed with exit code 1",
        "auth-plugin-failed",
    ),
    (
        "Unable to connect to the server: getting credentials: exec: executable aws failed with exit code 255",
        "auth-plugin-failed",
    ),
    (
        'Unable to connect to the server: getting credentials: plugin "aws" not allowed: policy set to "DenyAll"',
        "auth-plugin-policy",
    ),
    (
        "Unable to connect to the server: getting credentials: exec: fork/exec /usr/local/bin/aws-iam-authenticator: exec format error",
        "auth-plugin-missing",
    ),
    (
        'Error: Kubernetes cluster unreachable: Get "https://x.eks.amazonaws.com/version": getting credentials: exec: executable aws not found',
        "auth-plugin-missing",
    ),
    ("Error loading SSO Token: Token for my-sso does not exist", "auth-plugin-login"),
    (
        "The SSO session associated with this profile has expired or is otherwise invalid. To refresh this SSO session run aws sso login with the corresponding profile.",
        "auth-plugin-login",
    ),
    (
        "An error occurred (ExpiredTokenException) when calling the AssumeRole operation: The security token included in the request is expired",
        "auth-plugin-login",
    ),
    (
        'Unable to connect to the server: failed to refresh token: oauth2: cannot fetch token: 400 Bad Request\nResponse: {"error":"invalid_grant"}',
        "auth-oidc-refresh",
    ),
    (
        "error: get-token: authentication error: authcode-browser error: authentication error: authorization code flow error: oauth2 error: authorization error",
        "auth-oidc-refresh",
    ),
    ("error: You must be logged in to the server (Unauthorized)", "auth-unauthorized"),
    (
        "error: You must be logged in to the server (the server has asked for the client to provide credentials)",
        "auth-unauthorized",
    ),
    ("error: tls: private key does not match public key", "auth-credential-file"),
    (
        "unable to read client-cert /home/j/.minikube/profiles/minikube/client.crt for minikube due to open /home/j/.minikube/profiles/minikube/client.crt: no such file or directory",
        "auth-credential-file",
    ),
    (
        "Error in configuration: \n* unable to read client-cert /a/c.crt for minikube due to open /a/c.crt: no such file or directory\n* unable to read client-key /a/c.key for minikube due to open /a/c.key: no such file or directory\n* unable to read certificate-authority /a/ca.crt for minikube due to open /a/ca.crt: no such file or directory",
        "auth-ca-unusable",
    ),
    ("error: unable to load root certificates: unable to parse bytes as PEM block", "auth-ca-unusable"),
    (
        'WARN[0000] Unable to read /etc/rancher/k3s/k3s.yaml, please start server with --write-kubeconfig-mode or --write-kubeconfig-group to modify kube config permissions\nerror: error loading config file "/etc/rancher/k3s/k3s.yaml": open /etc/rancher/k3s/k3s.yaml: permission denied',
        "auth-kubeconfig-unreadable",
    ),
    ("error: current-context is not set", "auth-no-kubeconfig"),
    ('error: context "minikube" does not exist', "auth-kubeconfig-entry"),
    ('error: no Auth Provider found for name "oidc"', "auth-provider-removed"),
    (
        'Error: could not get Kubernetes config for context "prod": context "prod" does not exist',
        "auth-kubeconfig-entry",
    ),
    # others
    (
        'Error: hyper::Error(Connect, ConnectError("tcp connect error", Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }))',
        "network-refused",
    ),
    (
        "HyperError: error trying to connect: invalid peer certificate: UnknownIssuer",
        "auth-server-certificate-untrusted",
    ),
    (
        "HyperError: error trying to connect: dns error: failed to lookup address information: Name or service not known",
        "network-dns",
    ),
    (
        "io.fabric8.kubernetes.client.KubernetesClientException: Operation: [list] for kind: [Pod] with name: [null] in namespace: [prod] failed.\nCaused by: java.net.UnknownHostException: kubernetes.default.svc",
        "network-dns",
    ),
    (
        "Caused by: javax.net.ssl.SSLHandshakeException: Received fatal alert: certificate_required",
        "auth-client-certificate-alert",
    ),
    ("java.net.SocketTimeoutException: connect timed out", "network-dial-timeout"),
    (
        "FetchError: request to https://10.0.0.1:6443/api/v1/pods failed, reason: connect ETIMEDOUT 10.0.0.1:6443",
        "network-dial-timeout",
    ),
    ("RequestError: self signed certificate in certificate chain", "auth-server-certificate-untrusted"),
    (
        "System.Net.Http.HttpRequestException: The SSL connection could not be established, see inner exception.\n ---> System.Security.Authentication.AuthenticationException: The remote certificate is invalid because of errors in the certificate chain: UntrustedRoot",
        "auth-server-certificate-untrusted",
    ),
    (
        "urllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='10.0.0.1', port=6443): Max retries exceeded with url: /api/v1/pods (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno 113] No route to host'))",
        "network-unreachable",
    ),
    (
        "urllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='10.0.0.1', port=6443): Max retries exceeded with url: /version (Caused by ConnectTimeoutError(<urllib3.connection.HTTPSConnection object at 0x7f>, 'Connection to 10.0.0.1 timed out. (connect timeout=None)'))",
        "network-dial-timeout",
    ),
    ("curl: (7) Failed to connect to 10.0.0.1 port 6443: Connection refused", "network-refused"),
    ("curl: (28) Connection timed out after 10001 milliseconds", "network-dial-timeout"),
    (
        "curl: (60) SSL certificate problem: self signed certificate in certificate chain",
        "auth-server-certificate-untrusted",
    ),
    (
        "error: tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
        "auth-credential-file",
    ),
    (
        'Unable to connect to the server: getting credentials: exec: exec: "kubelogin": executable file not found in $PATH',
        "auth-plugin-missing",
    ),
    ("error: error upgrading connection: websocket: bad handshake (200 OK)", "network-upgrade-stripped"),
    ('error: error when evicting pods/"web" -n "prod": global timeout reached: 30s', "request-wait-timeout"),
    # nothing
    ("bash: kubectl: command not found", None),
    ("error: dial unix /var/run/docker.sock: connect: permission denied", None),
    ("NAME   READY   STATUS    RESTARTS   AGE\nweb    1/1     Running   0          1d", None),
    ("$ aws sso login\nSuccessfully logged into Start URL: https://example.awsapps.com/start", None),
    ("pod/web condition met", None),
    ("Warning: resource pods/web is missing the kubectl.kubernetes.io/last-applied-configuration annotation", None),
]
FIXTURES = Path(__file__).parent / "rules"


def _printed() -> list[tuple[str, str, str]]:
    """(fixture, rule, text) of every hit of which nothing but a client's own words is known."""
    found = []
    for path in sorted(FIXTURES.glob("*/hit*.http")):
        for one in wire_text.read(path.read_text("utf-8")):
            if one.failure is not None and not one.request.known:
                found.append(
                    (f"{path.parent.name}-{path.stem}", path.parent.name.replace("_", "-"), one.failure.message)
                )
    return found


def rules_in(text: str) -> list[str]:
    passages = terminal.read(Source(io.BytesIO(text.encode())))
    return [finding.rule for item in explain(passages) for finding in item.findings]


@pytest.mark.parametrize(("rule", "text"), [one[1:] for one in _printed()], ids=[one[0] for one in _printed()])
def test_pasted_words_give_the_rule_of_their_fixture(rule: str, text: str) -> None:
    found = rules_in(text)
    assert rule in found
    # What a credential plugin and kubectl print of the same failure are two messages.
    assert {one.partition("-")[0] for one in found} == {rule.partition("-")[0]}


@pytest.mark.parametrize(("text", "rule"), WORDS)
def test_words_are_known(text: str, rule: str | None) -> None:
    assert set(rules_in(text)) == ({rule} if rule is not None else set())


@pytest.mark.parametrize("text", [text for text, rule in WORDS if rule is not None])
def test_what_is_not_known_leaves_no_hole_in_a_sentence_or_a_command(text: str) -> None:
    passages = terminal.read(Source(io.BytesIO(text.encode())))
    for finding in (finding for item in explain(passages) for finding in item.findings):
        commands = [command for fix in finding.fix for command in fix.commands]
        for said in (finding.summary, *(one.where for one in finding.evidence), *commands):
            assert not re.search(r"  |''|\bat :|\bat $|\bat (?:took|did)|://[:/ ]|\bto $|\bwith $|^ ", said), said
        assert all(one.text and one.where for one in finding.evidence)

{{- define "fedsam.fullname" -}}
{{- if contains "fedsam" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-fedsam" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "fedsam.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "fedsam.fullname" .) }}{{ else }}{{ required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{/* The Secret with the operator's signing key. */}}
{{- define "fedsam.signingSecret" -}}
{{- .Values.signing.secretName | default (printf "%s-signing" (include "fedsam.fullname" .)) }}
{{- end }}

{{- define "fedsam.selector" -}}
app.kubernetes.io/name: fedsam
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "fedsam.labels" -}}
{{ include "fedsam.selector" . }}
{{ include "fedsam.chartLabels" . }}
{{- end }}

{{- define "fedsam.chartLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/*
The full name of one image: (list $ .Values.images.NAME). images.registry wins over a registry of the repository, a digest over the tag.
A repository without a registry means Docker's, where anybody may own its name: only a digest makes such a name safe.
*/}}
{{- define "fedsam.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 -}}
{{- $hasRegistry := regexMatch "^(localhost|[^/]*[.:][^/]*)/" $image.repository -}}
{{- if not (or $root.Values.images.registry $hasRegistry $image.digest) -}}
{{- fail (printf "image %s names no registry, and so is docker.io/%s, a name that this project does not own; set images.registry to the registry with your images, or name a registry in the repository, or set the digest" $image.repository $image.repository) -}}
{{- end -}}
{{- with $root.Values.images.registry }}{{ . | trimSuffix "/" }}/{{ regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $image.repository "" }}{{ else }}{{ $image.repository }}{{ end }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The labels of a quickstart server: (list $ "nats"). */}}
{{- define "fedsam.quickstartSelector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: fedsam
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "fedsam.quickstartLabels" -}}
{{ include "fedsam.quickstartSelector" . }}
{{ include "fedsam.chartLabels" (index . 0) }}
{{- end }}

{{/* The tenants of the quickstart as JSON: namespaces whose jobs use its servers. Where none is named: default. */}}
{{- define "fedsam.tenants" -}}
{{- $named := concat .Values.watchNamespaces .Values.quickstart.namespaces | uniq -}}
{{- $named | default (list "default") | toJson -}}
{{- end }}

{{/* The name of a tenant's S3 server: (list $ namespace). A Service's name has at most 63 characters. */}}
{{- define "fedsam.s3Name" -}}
{{- $name := printf "%s-s3-%s" (include "fedsam.fullname" (index . 0)) (index . 1) -}}
{{- if gt (len $name) 63 }}{{ printf "%s-%s" ($name | trunc 54 | trimSuffix "-") (sha256sum $name | trunc 8) }}{{ else }}{{ $name }}{{ end }}
{{- end }}

{{/* Certificate, key and authority of one server as JSON, base64. Keeps those of the Secret if the same authority issued them. */}}
{{- define "fedsam.certificate" -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $authority := .authority.Cert | b64enc -}}
{{- $kept := (lookup "v1" "Secret" $namespace .secret).data | default dict -}}
{{- if and (index $kept "tls.crt") (eq (index $kept "ca.crt" | default "") $authority) -}}
{{- dict "tls.crt" (index $kept "tls.crt") "tls.key" (index $kept "tls.key") "ca.crt" $authority | toJson -}}
{{- else -}}
{{- $host := printf "%s.%s" .service $namespace -}}
{{- /* 127.0.0.1 is for kubectl port-forward. */ -}}
{{- $hosts := list .service $host (printf "%s.svc" $host) (printf "%s.svc.cluster.local" $host) "localhost" -}}
{{- $made := genSignedCert .service (list "127.0.0.1") $hosts 3650 .authority -}}
{{- dict "tls.crt" ($made.Cert | b64enc) "tls.key" ($made.Key | b64enc) "ca.crt" $authority | toJson -}}
{{- end -}}
{{- end }}

{{- define "fedsam.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The security context that the Pod Security level restricted demands of a container. */}}
{{- define "fedsam.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "fedsam.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* The operator's rights: exactly those that it uses. test/cluster/rbac.test.ts compares them with its calls. */}}
{{- define "fedsam.rules" -}}
# The operator grants some of these rights to coordinators, and so must have them: a coordinator reads its job and writes its status.
- {apiGroups: [fedsam.dev], resources: [federatedjobs], verbs: [get, list, watch, delete]}
- {apiGroups: [fedsam.dev], resources: [federatedjobs/status], verbs: [patch]}
# For owner references with blockOwnerDeletion, where the API server enforces this right, as OpenShift does.
- {apiGroups: [fedsam.dev], resources: [federatedjobs/finalizers], verbs: [update]}
- {apiGroups: [batch], resources: [jobs], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [""], resources: [serviceaccounts], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [""], resources: [pods], verbs: [list, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [list, watch, create]}
{{- end }}

{{/* The rest of a policy's binding. Other namespaces may have an operator of their own, which these policies would reject. */}}
{{- define "fedsam.denyWhereWatched" -}}
validationActions: [Deny]
{{- with .Values.watchNamespaces }}
matchResources:
  namespaceSelector:
    matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}]
{{- end }}
{{- end }}

{{/* What pod templates may hold. YAML reads a bare Off as false. */}}
{{- define "fedsam.podTemplates" -}}
{{- .Values.podTemplates | toString | eq "false" | ternary "Off" .Values.podTemplates }}
{{- end }}

{{/* Which requests the policies on authors judge: new jobs, and changes of a spec. A finalizer or a label needs no right. */}}
{{- define "fedsam.onSpecs" -}}
failurePolicy: Fail
matchConstraints:
  resourceRules:
    - {apiGroups: [fedsam.dev], apiVersions: ["*"], resources: [federatedjobs], operations: [CREATE, UPDATE]}
matchConditions:
  - name: the-spec-is-new
    expression: oldObject == null || object.spec != oldObject.spec
{{- end }}

{{/* Node selector and tolerations of the release's own pods. */}}
{{- define "fedsam.placement" -}}
{{- with .Values.operator.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The stores behind the entry as JSON. Where none is named: the quickstart's, if it has one tenant. */}}
{{- define "fedsam.entryStores" -}}
{{- $root := . -}}
{{- $stores := list -}}
{{- range .Values.entry.stores -}}
{{- $stores = append $stores (dict "path" (printf "/%s/" .bucket) "type" "Prefix" "name" (printf "store-%s" .bucket) "service" .service "port" .port "tls" (ne .tls false) "own" false) -}}
{{- end -}}
{{- if and .Values.quickstart.enabled (not .Values.entry.stores) -}}
{{- $bucket := .Values.quickstart.s3.bucket -}}
{{- $tenants := include "fedsam.tenants" . | fromJsonArray -}}
{{- if gt (len $tenants) 1 -}}
{{- fail (printf "entry: the quickstart's tenants %s have buckets of one name, %s, on different servers, and one host can lead this name to one of them; install with one tenant, or list the stores in entry.stores" (join ", " $tenants) $bucket) -}}
{{- end -}}
{{- $stores = append $stores (dict "path" (printf "/%s/" $bucket) "type" "Prefix" "name" (printf "store-%s" $bucket) "service" (include "fedsam.s3Name" (list $root (first $tenants))) "port" 7070 "tls" true "own" true "section" "s3") -}}
{{- end -}}
{{- $names := list -}}
{{- range $stores }}{{ $names = append $names .name }}{{ end -}}
{{- if ne (len $names) (len (uniq $names)) }}{{ fail "entry.stores names a bucket twice: one host can lead its name to one server" }}{{ end -}}
{{- if has "store-bus" $names }}{{ fail "entry: a bucket with the name bus cannot be behind the entry, whose path /bus leads to NATS" }}{{ end -}}
{{- $stores | toJson -}}
{{- end }}

{{/* Refuses values of the entry that contradict each other. */}}
{{- define "fedsam.checkEntry" -}}
{{- $entry := .Values.entry -}}
{{- if not (or .Values.gate.enabled .Values.quickstart.enabled) }}{{ fail "entry.enabled needs the nats-server of the chart: set gate.enabled or quickstart.enabled" }}{{ end -}}
{{- if not $entry.host }}{{ fail "entry.host is needed: the host that sites connect to" }}{{ end -}}
{{- if not $entry.tlsSecretName }}{{ fail "entry.tlsSecretName is needed: the Secret with the certificate of entry.host, or for entry.clusterIssuer to write" }}{{ end -}}
{{- if and $entry.ingress.className $entry.gateway.className }}{{ fail "entry.ingress.className and entry.gateway.className exclude each other: one edge serves the host" }}{{ end -}}
{{- if not (or $entry.ingress.className $entry.gateway.className) }}{{ fail "entry needs an edge: set entry.ingress.className or entry.gateway.className" }}{{ end -}}
{{- if and .Values.networkPolicy.enabled (not $entry.from) }}{{ fail "entry.from is needed with networkPolicy.enabled: the NetworkPolicyPeers of the edge's pods, which alone may reach the servers behind it" }}{{ end -}}
{{- end }}

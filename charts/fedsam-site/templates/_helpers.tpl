{{- define "site.fullname" -}}
{{- if contains "fedsam" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-fedsam-site" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "site.selector" -}}
app.kubernetes.io/name: fedsam-site
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "site.labels" -}}
{{ include "site.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* A repository without a registry means Docker's, where anybody may own its name: only a digest makes such a name safe. */}}
{{- define "site.image" -}}
{{- $image := .Values.image -}}
{{- $repository := $image.repository | default (gt (int .Values.gpu.count) 0 | ternary "fedsam/site-gpu" "fedsam/site") -}}
{{- $withRegistry := "^(localhost|[^/]*[.:][^/]*)/" -}}
{{- if not (or $image.registry (regexMatch $withRegistry $repository) $image.digest) -}}
{{- fail (printf "image %s names no registry, and so is docker.io/%s, a name that this project does not own; set image.registry to the registry with your image, or name a registry in image.repository, or set image.digest" $repository $repository) -}}
{{- end -}}
{{- with $image.registry }}{{ . | trimSuffix "/" }}/{{ regexReplaceAll $withRegistry $repository "" }}{{ else }}{{ $repository }}{{ end }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Refuses values that the schema cannot judge, with the field to correct. */}}
{{- define "site.check" -}}
{{- if not .Values.key.secretName }}{{ fail "key.secretName is needed: the Secret with the site's key in its field site.key (docs/how-to-site-in-a-cluster.md says how to make it)" }}{{ end -}}
{{- if not .Values.site.federations }}{{ fail "site.federations is needed: the federation in whose jobs the site takes part" }}{{ end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.entry) }}{{ fail "networkPolicy.entry is needed with networkPolicy.enabled: the addresses of the federation's host or of your proxy, e.g. [{cidr: 203.0.113.10/32, port: 443}]" }}{{ end -}}
{{- $datasets := keys .Values.site.datasets -}}
{{- $trainers := append (keys .Values.site.trainers) "SegmentAnything" -}}
{{- range $i, $federation := .Values.site.federations -}}
{{- range $j, $job := $federation.jobs -}}
{{- if not (has $job.dataset $datasets) }}{{ fail (printf "site.federations[%d].jobs[%d].dataset is %s, which site.datasets does not have" $i $j $job.dataset) }}{{ end -}}
{{- if not (has ($job.trainer | default "SegmentAnything") $trainers) }}{{ fail (printf "site.federations[%d].jobs[%d].trainer is %s, which site.trainers does not have" $i $j $job.trainer) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The file of the site: the values, with the paths of what is mounted. */}}
{{- define "site.file" -}}
{{- $federations := list -}}
{{- range .Values.site.federations -}}
{{- $federation := omit . "ca" -}}
{{- if .ca }}{{ $_ := set $federation "ca" (printf "/etc/fedsam-ca/%s/ca.crt" .name) }}{{ end -}}
{{- $federations = append $federations $federation -}}
{{- end -}}
{{- $datasets := dict -}}
{{- range $name, $dataset := .Values.site.datasets -}}
{{- $_ := set $datasets $name (merge (dict "path" (printf "/data/%s" $name)) (omit $dataset "claim" "folder")) -}}
{{- end -}}
{{- $site := pick .Values.site "trainers" "models" "metrics" -}}
{{- merge (dict "key" "/run/fedsam/site.key" "folder" "/var/lib/fedsam-site/state" "federations" $federations "datasets" $datasets) $site | toYaml -}}
{{- end }}

{{/* The security context that the Pod Security level restricted demands of a container. */}}
{{- define "site.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What the names of all objects begin with: the release, and the chart unless it is part of that. */}}
{{- define "imagequeue.name" -}}
{{- $name := ternary .Release.Name (printf "%s-imagequeue" .Release.Name) (contains "imagequeue" .Release.Name) -}}
{{- trunc 40 $name | trimSuffix "-" -}}
{{- end }}

{{/* The labels by which the pods of this release are selected; (list $ "api") adds the process. */}}
{{- define "imagequeue.selector" -}}
app.kubernetes.io/name: imagequeue
app.kubernetes.io/instance: {{ (first .).Release.Name }}
{{- with rest . }}
app.kubernetes.io/component: {{ first . }}
{{- end }}
{{- end }}

{{- define "imagequeue.labels" -}}
{{ include "imagequeue.selector" . }}
{{- with first . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- end }}

{{- define "imagequeue.processes" -}}
{{ .Files.Get "processes.yaml" }}
{{- end }}

"""Kernels: started in a fraction of a second from a warm process, spoken to through private sockets.

A cold kernel imports the analysis stack anew, which costs CPU seconds before the first line of an analysis. Inside
`started.warm_kernels` one process, `warm`, imports it once and becomes, by fork, each kernel that is asked for. This
plugs in where jupyter_client offers it: a kernel provisioner (`provisioner`), chosen by name, so that papermill,
nbclient and nbval start warm kernels without knowing. On other systems than Linux, and whenever anything is unusual, a
kernel starts cold, and gives the same.
"""

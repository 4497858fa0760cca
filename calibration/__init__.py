"""The offline side: from a folder of good samples to a memory bank, and from a bank to figures."""

import inspector as inspector  # before OpenVINO: it keeps OpenVINO from reporting its use over the network
